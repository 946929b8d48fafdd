"""What people may say of an example, checked and made storable before it is kept. Nothing here needs a database."""

import math
import re
import unicodedata
from collections.abc import Iterable
from typing import Any, Final

from capture_app.example import storable
from capture_app.exceptions import InvalidJudgment

NAME_CHARACTERS: Final = 200  # of an example's id, a label, a source, an idempotency key
TAG_CHARACTERS: Final = 100
COMMENT_CHARACTERS: Final = 10_000
CORRECTION_CHARACTERS: Final = 1_000_000

# Control characters, halves of pairs, line and paragraph separators: no name has them.
_UNNAMEABLE: Final = frozenset(("Cc", "Cs", "Zl", "Zp"))
_TURNS_TEXT: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def checked_name(field: str, value: Any, *, most: int = NAME_CHARACTERS) -> str:
    """A short text on one line, as it is. Raises InvalidJudgment for any other value."""
    name = checked_text(field, value, most=most)
    if not name:
        raise InvalidJudgment(field, "must not be empty")
    if any(unicodedata.category(character) in _UNNAMEABLE or character in _TURNS_TEXT for character in value):
        raise InvalidJudgment(field, "must not hold control characters or line breaks")
    return name


def checked_text(field: str, value: Any, *, most: int) -> str:
    """A text of `most` characters at most, as every database can store it: NULs become spaces. "" when it is blank.

    Raises InvalidJudgment for any other value.
    """
    if not isinstance(value, str):
        raise InvalidJudgment(field, "must be a text")
    if len(value) > most:
        raise InvalidJudgment(field, f"has {len(value):,} characters; {most:,} are allowed")
    text = str(storable(value)).replace("\0", " ")
    return text if text.strip() else ""


def checked_score(value: Any) -> float | None:
    """A finite number, None for None. Raises InvalidJudgment for any other value."""
    if value is None:
        return None
    number = finite_number(value)
    if number is None:
        raise InvalidJudgment("score", "must be a finite number")
    return number


def finite_number(value: Any) -> float | None:
    """The number as a float; None for what is none, or has no such float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def checked_tags(tags: Iterable[Any]) -> set[str]:
    """Tags in one spelling: NFC, single spaces between words. Raises InvalidJudgment for one that is no short text."""
    if isinstance(tags, str):
        raise InvalidJudgment("tag", "must be one of a list")  # else each of its letters would become one
    return {_checked_tag(tag) for tag in tags}


def _checked_tag(tag: Any) -> str:
    spelled = re.sub(" +", " ", unicodedata.normalize("NFC", tag).strip()) if isinstance(tag, str) else tag
    return checked_name("tag", spelled, most=TAG_CHARACTERS)
