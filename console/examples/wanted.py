"""What an address asks of the list. Only what is named here can be asked; the rest is left out, and that is said.

No lookup reaches another table or the end of a text: who may not read examples could find out their words by asking.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.http import QueryDict

from capture_app.models import Review
from console.examples.places import Place

GOOD, BAD = Review.Verdict.values
CORRECTED, NOT_JUDGED = "corrected", "none"
LIVE, ARCHIVED = "live", "archived"
LOW, HIGH, RATED = "low", "high", "any"
PREVIEWS: Final = "previews"

# What a parameter may say; None: any text.
CHOICES: Final[Mapping[str, tuple[str, ...] | None]] = {
    "task": None,
    "provider": None,
    "model": None,
    "review": (GOOD, BAD, CORRECTED, NOT_JUDGED),
    "rating": (HIGH, LOW, RATED),
    "tag": None,
    "cut_short": ("yes",),
    "partial": ("yes",),
    "tools": ("yes",),
    "place": (LIVE, ARCHIVED),
    "look_in": (PREVIEWS,),
}
OF_TEXT: Final = frozenset({"tag", "look_in"})  # only for who may read examples
PAGING: Final = ("after", "before")
DATES: Final = ("year", "month", "day")
SEARCH, ORDER = "q", "o"  # as in every list of the admin

_LONGEST: Final = 500  # characters of a value
_YEARS: Final = (1970, 9998)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the list is to show. A filter that is "" is not set."""

    question: str = ""
    task: str = ""
    provider: str = ""
    model: str = ""
    review: str = ""
    rating: str = ""
    tag: str = ""
    cut_short: str = ""
    partial: str = ""
    tools: str = ""
    place: str = ""
    look_in: str = ""  # PREVIEWS: the question is words, even if it is somebody's id as well
    year: int = 0
    month: int = 0
    day: int = 0
    is_oldest_first: bool = False
    after: Place | None = None
    before: Place | None = None

    @property
    def span(self) -> tuple[datetime, datetime] | None:
        """The time that the dates name: with its begin, without its end."""
        if not self.year:
            return None
        begin = datetime(self.year, self.month or 1, self.day or 1, tzinfo=UTC)
        if self.day:
            return begin, datetime.fromordinal(begin.toordinal() + 1).replace(tzinfo=UTC)
        if self.month:
            return begin, datetime(self.year + self.month // 12, self.month % 12 + 1, 1, tzinfo=UTC)
        return begin, datetime(self.year + 1, 1, 1, tzinfo=UTC)

    @property
    def has_filters(self) -> bool:
        return any(getattr(self, name) for name in (*CHOICES, "year") if name != "look_in")


def read(query: QueryDict, *, may_read: bool) -> tuple[Wanted, QueryDict, list[str]]:
    """What is wanted, the query string that says just that, and the names of parameters that were left out."""
    values: dict[str, Any] = {}
    kept, left_out = QueryDict(mutable=True), list[str]()
    for name, text in parameters(query):
        found = _value(name, text, may_read=may_read)
        if found is None:
            left_out.append(name)
        elif found != "":
            values[_FIELDS.get(name, name)] = found
            kept[name] = text
    for name in _impossible_dates(values):
        left_out.append(name)
        del values[name], kept[name]
    return Wanted(**values), kept, left_out


def parameters(query: QueryDict) -> list[tuple[str, str]]:
    """Each with the last of its values."""
    return [(name, str(values[-1])) for name, values in query.lists() if values]


_FIELDS: Final = {SEARCH: "question", ORDER: "is_oldest_first"}


def _value(name: str, text: str, *, may_read: bool) -> Any:
    """What a parameter says, "" for nothing; None: it cannot say that."""
    if "\0" in text or len(text) > _LONGEST or (name in OF_TEXT and not may_read):
        return None
    if name in CHOICES:
        allowed = CHOICES[name]
        return text if allowed is None or text in ("", *allowed) else None
    if name in PAGING:
        return Place.from_token(text)
    if name in DATES:
        return int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(_YEARS[1])) else None
    if name == ORDER:
        return not text.startswith("-") if text.lstrip("-").isdecimal() else None
    return text.strip() if name == SEARCH else None


def _impossible_dates(values: Mapping[str, Any]) -> list[str]:
    """Those of the dates' names that make no date together."""
    named = [name for name in DATES if name in values]
    if not named:
        return []
    is_gapless = named == list(DATES[: len(named)])
    try:
        datetime(values.get("year", 0), values.get("month", 1), values.get("day", 1))
    except ValueError:
        return named
    return [] if is_gapless and _YEARS[0] <= values["year"] <= _YEARS[1] else named
