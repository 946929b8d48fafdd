"""What a reader of the dashboard asks for."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from django.http import QueryDict

from capture_app.example import storable

RANGES: Final = {7: "7 days", 30: "30 days", 90: "90 days", 365: "1 year"}
USUAL_RANGE: Final = 30

_NAME_CHARACTERS: Final = 200  # as the index keeps them


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Some days up to today, in UTC, and whose calls."""

    today: date
    days: int = USUAL_RANGE
    task: str | None = None  # None: of all tasks
    model: str | None = None
    ignored: list[str] = field(default_factory=list)  # what was asked for and cannot be had, in words

    @property
    def first_day(self) -> date:
        return self.today - timedelta(days=self.days - 1)

    @property
    def dates(self) -> list[date]:
        """Oldest first."""
        return [self.first_day + timedelta(days=number) for number in range(self.days)]

    def query(self, *, task: str | None, model: str | None) -> str:
        """The query string of a page with the same days, and this task and model."""
        query = QueryDict(mutable=True)
        query["days"] = str(self.days)
        for name, value in (("task", task), ("model", model)):
            if value is not None:
                query[name] = value
        return query.urlencode()


def read_selection(query: QueryDict, today: date) -> Selection:
    """What the query string says. What cannot be understood is left out, and named."""
    given = query.get("days", "")
    days = int(given) if given.isascii() and given.isdigit() and len(given) < 5 else 0
    ignored = [] if days in RANGES or not given else ["These days are not on offer, so the last 30 are shown."]
    return Selection(
        today=today,
        days=days if days in RANGES else USUAL_RANGE,
        task=_name(query, "task"),
        model=_name(query, "model"),
        ignored=ignored,
    )


def _name(query: QueryDict, key: str) -> str | None:
    """A name as the index has it. An empty one, which a form sends for "all", is none."""
    return str(storable(query.get(key, ""))).replace("\0", " ")[:_NAME_CHARACTERS] or None
