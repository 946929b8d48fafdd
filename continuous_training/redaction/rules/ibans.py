"""International bank account numbers: a country of the register, its length, and the check of ISO 7064 (mod 97)."""

import re
from collections.abc import Iterator
from typing import Final

from continuous_training.redaction.kinds import IBAN
from continuous_training.redaction.scan import Scan
from continuous_training.redaction.spans import Found

# The SWIFT register of ISO 13616.
_LENGTHS: Final = {
    **{"AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29},
    **{"BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29},
    **{"ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28},
    **{"HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20},
    **{"LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19},
    **{"MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29},
    **{"PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24},
    **{"SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20},
    "YE": 30,
}
# From the first check digit, which is rarer than letters; the country stands before it.
_ANCHOR: Final = re.compile(r"[0-9](?<=[A-Za-z]{2}[0-9])(?<![A-Za-z0-9_]{3}[0-9])[0-9](?:[ -]?[A-Za-z0-9]){11,50}")


def find_ibans(scan: Scan) -> Iterator[Found]:
    text = scan.text
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
