"""The month's captured calls, added up in one pass over the index: by task and model, and day by day.

Read in pages, each a short question of its own, so that memory stays small and nobody who writes has to wait.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from capture_app.models import ExampleIndex
from capture_app.progress import Progress, silent
from capture_app.routing.config import Target
from continuous_training.housekeeping.report.months import Month
from continuous_training.housekeeping.report.shadows import Shadows

_PAGE: Final = 5_000  # rows
_BASE: Final = math.log(1.05)  # latencies are counted in steps of 5 %

_COLUMNS: Final = (
    *("created_at", "id", "task", "provider", "model_name"),
    *("input_tokens", "output_tokens", "cost_usd", "latency_ms"),
)


class Answerer(NamedTuple):
    """Who answered which task."""

    task: str
    provider: str
    model: str
    is_shadow: bool = False  # asked as well, and its answers were used by nobody


class _Row(NamedTuple):
    created_at: datetime
    id: str
    task: str
    provider: str
    model: str
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    latency_ms: int | None


@dataclass(slots=True)
class Calls:
    """Captured calls, added up."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    untold: int = 0  # calls whose provider does not say how many tokens
    cost_usd: float = 0.0
    uncosted: int = 0  # calls of which nobody knows what they cost: they count as nothing
    latencies: Counter[int] = field(default_factory=Counter)  # by step of 5 %

    def add(self, row: _Row) -> None:
        self.calls += 1
        self.input_tokens += row.input_tokens or 0
        self.output_tokens += row.output_tokens or 0
        self.untold += row.input_tokens is None or row.output_tokens is None
        self.cost_usd += row.cost_usd or 0.0
        self.uncosted += row.cost_usd is None
        if row.latency_ms is not None:
            self.latencies[round(math.log(max(row.latency_ms, 1)) / _BASE)] += 1

    def merge(self, other: "Calls") -> None:
        for name in ("calls", "input_tokens", "output_tokens", "untold", "cost_usd", "uncosted"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.latencies += other.latencies

    def percentile(self, percent: float) -> float | None:
        """Of the latencies in ms, within 3 %; None where there are none."""
        wanted = percent / 100 * self.latencies.total()
        seen = 0
        for step in sorted(self.latencies):
            seen += self.latencies[step]
            if seen >= wanted:
                return math.exp(step * _BASE)
        return None


@dataclass(frozen=True, slots=True)
class MonthOfCalls:
    """All of the month's."""

    by_answerer: dict[Answerer, Calls]
    calls_by_day: dict[str, list[int]]  # by task: one number for each day
    cost_by_day: dict[str, list[float]]  # by model: USD, likewise

    def by_task(self) -> dict[str, Calls]:
        found: defaultdict[str, Calls] = defaultdict(Calls)
        for who, each in self.by_answerer.items():
            found[who.task].merge(each)
        return dict(found)

    def total(self) -> Calls:
        return _merged(list(self.by_answerer.values()))


def _merged(some: list[Calls]) -> Calls:
    total = Calls()
    for each in some:
        total.merge(each)
    return total


def calls_of(month: Month, progress: Progress = silent) -> MonthOfCalls:
    """Add them up. They are as of the last drain."""
    days = len(month.days())
    by_answerer: defaultdict[Answerer, Calls] = defaultdict(Calls)
    calls_by_day: defaultdict[str, list[int]] = defaultdict(lambda: [0] * days)
    cost_by_day: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * days)
    shadows = Shadows(month)
    for number, row in enumerate(_rows(month)):
        day = month.day_of(row.created_at)
        is_shadow = shadows.had(row.task, Target(row.provider, row.model), row.created_at)
        by_answerer[Answerer(row.task, row.provider, row.model, is_shadow)].add(row)
        calls_by_day[row.task][day] += 1
        cost_by_day[row.model][day] += row.cost_usd or 0.0
        if not number % _PAGE:
            progress("adding up calls", number, 0)
    return MonthOfCalls(dict(by_answerer), dict(calls_by_day), dict(cost_by_day))


def _rows(month: Month) -> Iterator[_Row]:
    rows = ExampleIndex.objects.filter(created_at__lt=month.ends_at).order_by("created_at", "id")
    since, last = month.begins_at, ""
    while True:
        page = rows.filter(created_at__gte=since).exclude(created_at=since, id__lte=last).values_list(*_COLUMNS)
        found = [_Row(*each) for each in page[:_PAGE]]
        yield from found
        if len(found) < _PAGE:
            return
        since, last = found[-1].created_at, found[-1].id
