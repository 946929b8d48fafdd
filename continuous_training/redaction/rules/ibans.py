"""International bank account numbers: a country of the register, its length, and the check of ISO 7064 (mod 97)."""

import re
from collections.abc import Iterator
from typing import Final

from continuous_training.redaction.kinds import IBAN
from continuous_training.redaction.rules.words import words
from continuous_training.redaction.scan import Scan
from continuous_training.redaction.spans import Found

# The SWIFT register of ISO 13616.
_LENGTHS: Final = {
    entry[:2]: int(entry[2:])
    for entry in words("""
        AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20
        EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30
        KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23
        PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26
        UA29 VA22 VG24 XK20 YE30
    """)
}
# From the first check digit, which is rarer than letters; the country stands before it.
_ANCHOR: Final = re.compile(r"[0-9](?<=[A-Za-z]{2}[0-9])(?<![A-Za-z0-9_]{3}[0-9])[0-9](?:[ -]?[A-Za-z0-9]){11,50}")


def find_ibans(scan: Scan) -> Iterator[Found]:
    text = scan.text
    if not scan.numbers:  # each has a run of digits as long
        return
    for found in _ANCHOR.finditer(text):
        start = found.start() - 2
        length = _LENGTHS.get(text[start : found.start()].upper(), 0)
        end = _end(text, start, found.end(), length)
        iban = re.sub("[ -]", "", text[start:end]).upper()
        if length and len(iban) == length and _passes_mod_97(iban) and not text[end : end + 1].isalnum():
            yield Found(start, end, IBAN, iban)


def _end(text: str, start: int, last: int, length: int) -> int:
    """Where `length` letters and digits from `start` end, single spaces and hyphens between them not counted."""
    counted, end = 0, start
    while counted < length and end < last:
        counted += text[end] not in " -"
        end += 1
    return end


def _passes_mod_97(iban: str) -> bool:
    return int("".join(str(int(character, 36)) for character in iban[4:] + iban[:4])) % 97 == 1
