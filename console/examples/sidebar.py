"""The filters beside the list, as the admin's templates want them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.http import QueryDict

from capture_app.shown import short
from console.examples import wanted as asked
from console.examples.choices import models, providers, tags, tasks
from console.examples.wanted import PAGING, Wanted, parameters

_LISTED: Final = 12  # names as links; more of them are chosen by typing


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """One of them. `template` and `title` are what the admin's own filters have."""

    parameter: str
    title: str
    options: Sequence[tuple[str, str]]  # value, and what is shown for it
    value: str
    query: QueryDict
    is_open: bool = False  # any name may be typed
    template: str = "console/examples/filter.html"

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        yield {"selected": not self.value, "query_string": link(self.query, **{self.parameter: ""}), "display": "All"}
        for value, display in self._shown():
            yield {
                "selected": value == self.value,
                "query_string": link(self.query, **{self.parameter: value}),
                "display": display,
            }

    def _shown(self) -> Sequence[tuple[str, str]]:
        if len(self.options) <= _LISTED:
            chosen = self.value and self.value not in dict(self.options)
            return [*self.options, (self.value, short(self.value))] if chosen else self.options
        return [(self.value, short(self.value))] if self.value else []

    @property
    def suggestions(self) -> list[str]:
        """For whoever types the name; [] when all are links already."""
        return [value for value, _ in self.options] if self.is_open and len(self.options) > _LISTED else []

    @property
    def others(self) -> list[tuple[str, str]]:
        """What else is wanted, for the form that asks for a name."""
        return [pair for pair in parameters(self.query) if pair[0] not in (self.parameter, *PAGING)]


def link(query: QueryDict, **changes: str) -> str:
    """A query string that asks for something else, from its first page on."""
    changed = query.copy()
    for name in PAGING:
        changed.pop(name, None)
    for name, value in changes.items():
        changed.pop(name, None)
        if value:
            changed[name] = value
    return f"?{changed.urlencode()}"


def filters(wanted: Wanted, query: QueryDict, *, may_read: bool) -> list[Filter]:
    """Those that this user may use."""

    def made(parameter: str, title: str, options: Sequence[tuple[str, str]], *, is_open: bool = False) -> Filter:
        value = getattr(wanted, parameter)
        return Filter(parameter=parameter, title=title, options=options, value=value, query=query, is_open=is_open)

    named = [
        made("task", "task", _named(tasks()), is_open=True),
        made("provider", "provider", _named(providers()), is_open=True),
        made("model", "model", _named(models()), is_open=True),
    ]
    judged = [
        made("review", "review", _REVIEWS),
        made("rating", "rating in feedback", _RATINGS),
        *([made("tag", "tag", _named(tags()), is_open=True)] if may_read else []),
    ]
    marks = [
        made("cut_short", "end", [("yes", "Cut short or refused")]),
        made("partial", "completeness", [("yes", "Partial answers")]),
        made("tools", "tools", [("yes", "With tools")]),
        made("place", "place", [(asked.LIVE, "Not archived yet"), (asked.ARCHIVED, "Archived")]),
    ]
    return [*named, *judged, *marks]


_REVIEWS: Final = (
    (asked.GOOD, "Good"),
    (asked.BAD, "Bad"),
    (asked.CORRECTED, "Corrected"),
    (asked.NOT_JUDGED, "Not reviewed"),
)
_RATINGS: Final = ((asked.HIGH, "0.5 or more"), (asked.LOW, "Under 0.5"), (asked.RATED, "Any"))


def _named(names: Sequence[str]) -> list[tuple[str, str]]:
    return [(name, short(name)) for name in names]
