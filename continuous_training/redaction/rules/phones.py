"""Phone numbers: candidates by their shape, then asked of libphonenumber's data (phonenumberslite).

Claimed are numbers

- with a country's code (`+44 20 7946 0958`, `0044 …`), of any country;
- in the North American shape (`(555) 123-4567`, `555.123.4567`), invented ones too, when US or CA is among REGIONS;
- with the trunk prefix 0 or an area code in parentheses, valid in one of REGIONS (`020 7946 0958`, `(11) 91234-5678`);
- in pairs behind a group of two or three, as France and Spain write them (`912 34 56 78`), valid in one of REGIONS;
- of any shape after a word that announces one (`Tel.`, `call`, `mobile`, …), when possible in one of REGIONS.

Ten digits that stand alone are an order's number as often as a phone's, and stay.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from continuous_training.redaction.kinds import PHONE
from continuous_training.redaction.rules.phone_contexts import Said, said_of_number
from continuous_training.redaction.rules.phone_numbers import (
    INTERNATIONAL_CHECKS,
    is_possible,
    valid_mobile,
    valid_national,
    valid_without_prefix,
)
from continuous_training.redaction.scan import LETTERS, Scan
from continuous_training.redaction.spans import Found

Regions = tuple[str, ...]

_INTERNATIONAL: Final = re.compile(r"(?:\(?\+|\(?00[ .-]?)(?=[1-9(])\(?[0-9](?:[ ./()-]{0,3}[0-9]){6,17}(?![0-9])")
_NORTH_AMERICAN: Final = re.compile(
    r"(?:1[ .-])?(?:\([2-9][0-9]{2}\)[ .-]?|[2-9][0-9]{2}(?P<by>[ .-]))[0-9]{3}(?(by)(?P=by)|[ .-])[0-9]{4}(?![0-9])"
)
_BARE: Final = re.compile(r"0[1-9][0-9]{7,9}(?![0-9])")
_TRUNK: Final = re.compile(
    r"(?:\(0[0-9]{1,4}\) ?|\(0\) ?[0-9]{2,4}[ /-]|0[0-9]{1,4} ?[/-] ?|0[0-9]{1,4}[ .])"
    r"[0-9]{2,9}(?:[ ./-][0-9]{1,6}){0,4}(?![0-9])"
)
_BRACKETED: Final = re.compile(r"\([1-9][0-9]{1,4}\)[ -]?[0-9]{2,5}(?:[ .-]?[0-9]{2,5}){1,3}(?![0-9])")
_PAIRS: Final = re.compile(r"[1-9][0-9]{1,2}(?P<by>[ .-])[0-9]{2,3}(?:(?P=by)[0-9]{2}){2,3}(?![0-9])")
_DIGITS: Final = re.compile(r"\(?[0-9](?:[ ./()-]{0,3}[0-9]){6,13}(?![0-9])")  # of any shape of these
_NORTH_AMERICA: Final = (("US",), ("CA",))
_TEN_DIGITS: Final = re.compile("[2-9][0-9]{9}")  # the same without separators
_EXTENSION: Final = re.compile(r",? ?(?:x|ext\.?|extension|Durchwahl) ?([0-9]{1,6})(?![0-9])", re.IGNORECASE)
_DATE: Final = re.compile(
    r"(?:[0-3]?[0-9][./-][0-3]?[0-9][./-](?:[0-9]{2}|(?:19|20)[0-9]{2})"
    r"|(?:19|20)[0-9]{2}[./ -][01]?[0-9][./ -][0-3]?[0-9]|[01][0-9][./-](?:19|20)[0-9]{2}(?:[./-][01][0-9])?)"
    r"(?![0-9]|[./-][0-9])"
)
_NOT_BEFORE: Final = re.compile(rf"[{LETTERS}0-9_\\$€£%^~#&+-]|[{LETTERS}0-9_][.,/*]|[0-9]:")
_NOT_AFTER: Final = re.compile(
    rf"[{LETTERS}0-9_%€$£°]|[.,:/-][0-9]| ?(?:ms|kb|mb|gb|bytes|px|kg|km|eur|usd)\b", re.IGNORECASE
)
_GROUP: Final = re.compile(r"[(+]|[0-9]*[^0-9(+]*")
_GOES_ON: Final = re.compile("[0-9][ -]")  # a group of digits behind another
_FEWEST_DIGITS: Final = 7


def phone_rule(regions: Regions) -> Callable[[Scan], Iterator[Found]]:
    """The rule for numbers with a country's code, and for those of `regions` (ISO 3166), the first of which wins."""
    return partial(_find_phones, regions)


def _find_phones(regions: Regions, scan: Scan) -> Iterator[Found]:
    for start, end in scan.numbers:
        while start and scan.text[start - 1] in "+(":
            start -= 1
        yield from _phones_in(scan, start, end, regions)


def _phones_in(scan: Scan, start: int, end: int, regions: Regions) -> Iterator[Found]:
    """The numbers in one run: at each group of digits the first shape that holds."""
    last_end = -1
    while start < end:
        found = _phone_at(scan, start, end, regions, after=last_end)
        if found is None:
            start = _next_group(scan.text, start, end)
            continue
        yield found
        start = last_end = found.end


def _next_group(text: str, start: int, end: int) -> int:
    group = _GROUP.match(text, start, max(start, end))
    return max(group.end() if group else 0, start + 1)


def _phone_at(scan: Scan, start: int, end: int, regions: Regions, *, after: int) -> Found | None:
    text = scan.text
    if end - start < _FEWEST_DIGITS or not (start == after or _may_begin(text, start)) or _DATE.match(text, start):
        return None
    number = _international(text, start, end) or _national(scan, start, end, regions, after=after)
    if number is None:
        return None
    stop, value = number
    extension = _EXTENSION.match(text, stop)
    if extension:
        return Found(start, extension.end(), PHONE, f"{value}x{extension[1]}")
    return None if _NOT_AFTER.match(text, stop) else Found(start, stop, PHONE, value)


def _may_begin(text: str, start: int) -> bool:
    """Not behind a letter, a sign or another digit; a full stop or a slash that ends a word is no start either."""
    return not (start and (_NOT_BEFORE.match(text, start - 1) or _NOT_BEFORE.fullmatch(text, max(0, start - 2), start)))


def _international(text: str, start: int, end: int) -> tuple[int, str] | None:
    found = _INTERNATIONAL.match(text, start, end)
    numbers = (_longest(text, start, found.end(), check) for check in INTERNATIONAL_CHECKS) if found else ()
    return next(filter(None, numbers), None)


def _national(scan: Scan, start: int, end: int, regions: Regions, *, after: int) -> tuple[int, str] | None:
    """By the first shape that holds. Behind a word such as "order" none does; within a longer row of groups, which is
    no phone's unless a number just ended there, only the North American one."""
    text = scan.text
    if not _DIGITS.match(text, start, end):
        return None
    said = said_of_number(scan.before(start))
    if said is Said.PHONE:
        return _announced(text, start, end, regions)
    if said is Said.OTHER:
        return None
    within = start >= 2 and bool(_GOES_ON.match(text, start - 2)) and start - 1 != after
    return _north_american(text, start, end, regions) or (None if within else _by_shape(text, start, end, regions))


def _north_american(text: str, start: int, end: int, regions: Regions) -> tuple[int, str] | None:
    found = _NORTH_AMERICAN.match(text, start, end) if "US" in regions or "CA" in regions else None
    return (found.end(), "+1" + re.sub("[^0-9]", "", found[0])[-10:]) if found else None


def _by_shape(text: str, start: int, end: int, regions: Regions) -> tuple[int, str] | None:
    for shape, valid in _SHAPES:
        found = shape.match(text, start, end)
        number = _longest(text, start, found.end(), partial(valid, regions)) if found else None
        if number:
            return number
    return None


_SHAPES: Final = (
    (_BARE, valid_mobile),
    (_TRUNK, valid_national),
    (_BRACKETED, valid_national),
    (_PAIRS, valid_without_prefix),
)


def _announced(text: str, start: int, end: int, regions: Regions) -> tuple[int, str] | None:
    by_shape = _north_american(text, start, end, regions) or _by_shape(text, start, end, regions)
    found = _DIGITS.match(text, start, end)
    if by_shape or not found:
        return by_shape
    if regions[:1] in _NORTH_AMERICA and _TEN_DIGITS.fullmatch(found[0]):
        return found.end(), "+1" + found[0]
    return _longest(text, start, found.end(), partial(valid_national, regions)) or _longest(
        text, start, found.end(), partial(is_possible, regions)
    )


def _longest(text: str, start: int, end: int, valid: Callable[[str], str]) -> tuple[int, str] | None:
    """The longest beginning of text[start:end], groups of digits dropped from its end, that `valid` gives a form."""
    stop = end
    while stop > start:
        if value := valid(text[start:stop]):
            return stop, value
        stop = start + len(text[start:stop].rstrip("0123456789").rstrip(" .()/+-"))
    return None
