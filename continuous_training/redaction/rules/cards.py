"""Payment cards: 13 to 19 digits that pass Luhn's check (ISO/IEC 7812-1), with an issuer's prefix and its length.

Digits stand together, or in the groups that are printed on cards (4-4-4-4, 4-6-5, ...), parted by a space or a hyphen.
"""

import re
from collections.abc import Iterator
from typing import Final

from continuous_training.redaction.kinds import CARD
from continuous_training.redaction.scan import Scan
from continuous_training.redaction.spans import Found

_CARD: Final = re.compile(
    r"(?<![0-9])(?<![0-9][.,-])(?:[0-9]{13,19}"
    r"|[0-9]{4}(?P<by4>[ -])[0-9]{4}(?P=by4)[0-9]{4}(?P=by4)[0-9]{1,4}(?:(?P=by4)[0-9]{1,3})?"
    r"|[0-9]{4}(?P<by6>[ -])[0-9]{6}(?P=by6)[0-9]{4,5}(?![0-9]))(?![0-9]|[.,-][0-9])"
)
# Visa; Mastercard; American Express; Discover; JCB; Diners Club; UnionPay; Maestro. With the lengths they issue.
_ISSUED: Final = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})"
    r"|(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"
    r"|3[47][0-9]{13}"
    r"|6(?:011|4[4-9][0-9]|5[0-9]{2})[0-9]{12}(?:[0-9]{3})?"
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12}"
    r"|3(?:0[0-5]|095|[689][0-9])[0-9]{11}"
    r"|62[0-9]{14,17}"
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])[0-9]{9,15}"
)
_DOUBLED: Final = "0246813579"  # the digits' sum of twice each digit


def find_cards(scan: Scan) -> Iterator[Found]:
    text = scan.text
    for start, end in scan.numbers:
        if end - start < 13 or (start and (text[start - 1].isalnum() or text[start - 1] == "_")):
            continue
        for found in _CARD.finditer(text, start, end):
            digits = re.sub("[ -]", "", found[0])
            if _ISSUED.fullmatch(digits) and passes_luhn(digits) and not text[found.end() : found.end() + 1].isalpha():
                yield Found(found.start(), found.end(), CARD, digits)


def passes_luhn(digits: str) -> bool:
    return sum(map(int, digits[-1::-2])) % 10 == -sum(int(_DOUBLED[int(digit)]) for digit in digits[-2::-2]) % 10
