"""What libphonenumber's data says of a number that was found by its shape. Needs phonenumberslite."""

import re
from functools import cache, lru_cache
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumber, PhoneNumberType, ValidationResult

_MOBILE: Final = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
_OF_FICTION: Final = ("+447700900",)  # Ofcom's for drama, which the data calls invalid
_REMEMBERED: Final = 4096
_NOT_COUNTRY: Final = re.compile(r"^\(?(?:\+|00)")
_NOTHING: Final = re.compile(r"(?!)")
_GROUPS: Final = 2
_FEWEST_DIGITS: Final = 10


@lru_cache(maxsize=_REMEMBERED)
def valid_international(text: str) -> str:
    """The E.164 form of "+44 (0)20 …" or "0044 …"; "" when there is no such number."""
    number = _parsed("+" + _NOT_COUNTRY.sub("", text), None)
    return _e164(number) if number is not None and phonenumbers.is_valid_number(number) else ""


@lru_cache(maxsize=_REMEMBERED)
def possible_international(text: str) -> str:
    """The same of a number behind a plus whose length alone is right: 00 also fills up ids that are short."""
    number = _parsed(text, None) if "+" in text[:2] else None
    return _e164(number) if number is not None and _is_possible(number) else ""


@lru_cache(maxsize=_REMEMBERED)
def grouped_international(text: str) -> str:
    """The same behind a plus in three groups or more, as old prefixes make it longer than it should be."""
    number = _parsed(text, None) if "+" in text[:2] and len(re.findall("[0-9]+", text)) > _GROUPS else None
    return _e164(number) if number is not None and len(_e164(number)) > _FEWEST_DIGITS else ""


# In the order in which they are asked.
INTERNATIONAL_CHECKS: Final = (valid_international, possible_international, grouped_international)


@lru_cache(maxsize=_REMEMBERED)
def valid_national(regions: tuple[str, ...], text: str) -> str:
    """The E.164 form of a number as it is dialled in the first of `regions` that has it, or ""."""
    return next(filter(None, (_valid_in(region, text) for region in regions)), "")


@lru_cache(maxsize=_REMEMBERED)
def valid_mobile(regions: tuple[str, ...], text: str) -> str:
    """As valid_national, of mobile phones only."""
    value = valid_national(regions, text)
    if not value or value.startswith(_OF_FICTION):
        return value
    return value if phonenumbers.number_type(phonenumbers.parse(value)) in _MOBILE else ""


@lru_cache(maxsize=_REMEMBERED)
def valid_without_prefix(regions: tuple[str, ...], text: str) -> str:
    """As valid_national, in countries that dial no prefix and whose numbers all have one length."""
    return valid_national(tuple(region for region in regions if _has_one_length(region)), text)


@lru_cache(maxsize=_REMEMBERED)
def is_possible(regions: tuple[str, ...], text: str) -> str:
    """The E.164 form where a number of as many digits may be dialled in one of `regions`, the digits where it may
    within a town; else ""."""
    numbers = [number for region in regions if (number := _parsed(text, region))]
    whole = (number for number in numbers if _is_possible(number))
    if number := next(whole, None):
        return _e164(number)
    return re.sub("[^0-9]", "", text) if any(map(phonenumbers.is_possible_number, numbers)) else ""


def _valid_in(region: str, text: str) -> str:
    if not _may_be_in(region, re.sub("[^0-9]", "", text)):
        return ""
    number = _parsed(text, region)
    if number is None:
        return ""
    value = _e164(number)
    return value if value.startswith(_OF_FICTION) or phonenumbers.is_valid_number(number) else ""


def _may_be_in(region: str, digits: str) -> bool:
    """A quick look that spares most of the parsing."""
    pattern, prefix = _general_pattern(region)
    return bool(pattern.fullmatch(digits) or (prefix and pattern.fullmatch(digits.removeprefix(prefix))))


@cache
def _general_pattern(region: str) -> tuple[re.Pattern[str], str]:
    """What all numbers of the region look like without their prefix, and this prefix."""
    metadata = PhoneMetadata.metadata_for_region(region)
    if metadata is None or metadata.general_desc is None:
        return _NOTHING, ""
    return re.compile(metadata.general_desc.national_number_pattern or ""), metadata.national_prefix or ""


@cache
def _has_one_length(region: str) -> bool:
    metadata = PhoneMetadata.metadata_for_region(region)
    if metadata is None or metadata.general_desc is None or metadata.national_prefix:
        return False
    return len(metadata.general_desc.possible_length) == 1


def _is_possible(number: PhoneNumber) -> bool:
    return phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE


def _parsed(text: str, region: str | None) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except NumberParseException:
        return None


def _e164(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
