"""The figures that a page shows: those that were refreshed, and of the newest days what the index says now.

Nothing is written here, and no more than LIVE_ROWS_AT_MOST rows of the index are read, so a page costs the same
however many examples there are and whoever writes meanwhile.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Any, Final

from django.db.models import QuerySet, Sum

from capture_app.models import ExampleIndex
from console.figures.counting import FIELDS, STORED_FIELDS, DayTallies, Grouping, Key, count_rows
from console.figures.histogram import from_text
from console.figures.refresh import during, window
from console.figures.selection import Selection
from console.figures.tally import Tally, total
from console.models import DailyFigure, FiguredDay

LIVE_ROWS_AT_MOST: Final = 5000  # of the index, which one page counts by itself
TOLD_APART: Final = 8  # tasks or models; the rest is "others"
SUGGESTED: Final = 50  # names that a form offers


class By(Enum):
    """What figures are told apart by; the value is a field of DailyFigure."""

    TASK = "task"
    MODEL = "model_name"

    def name_in(self, key: Key) -> str:
        _, task, model = key
        return task if self is By.TASK else model


@dataclass(slots=True)
class Series:
    """Figures of one task or model, or of what all others add up to."""

    name: str | None  # None: the others
    days: dict[date, Tally]
    sum: Tally


@dataclass(slots=True)
class Figures:
    """Everything that the charts show."""

    dates: list[date]
    total: dict[date, Tally]  # days without examples are missing
    sum: Tally
    tasks: list[Series]  # most examples first, others last; empty when the selection names a task
    models: list[Series]
    suggested_tasks: list[str]
    suggested_models: list[str]
    counted_at: datetime | None  # None: nothing was ever refreshed
    is_live: bool  # the newest days are as the index has them now
    cut_days: int  # of those shown, which had more names than are counted one by one


@dataclass(frozen=True, slots=True)
class _Newest:
    """The newest days as the index has them. From `first_day` on they stand in for what was refreshed."""

    first_day: date | None = None  # None: they are too large, and what was refreshed is shown
    days: dict[date, DayTallies] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Scope:
    """Which figures of a day are meant."""

    grouping: Grouping
    tasks: Collection[str] | None = None  # None: whatever the task is
    models: Collection[str] | None = None

    @classmethod
    def of(
        cls,
        *,
        task: str | None,
        model: str | None,
        each_task: bool = False,
        each_model: bool = False,
    ) -> "_Scope":
        """Of a task, a model, both, or all calls; `each_...`: one by one, whatever it is called."""
        by_task, by_model = each_task or task is not None, each_model or model is not None
        return cls(
            _GROUPINGS[by_task, by_model],
            None if task is None else [task],
            None if model is None else [model],
        )

    def with_names(self, by: By, names: Collection[str]) -> "_Scope":
        return replace(self, tasks=names) if by is By.TASK else replace(self, models=names)

    def has(self, key: Key) -> bool:
        grouping, task, model = key
        return (
            grouping == self.grouping
            and (self.tasks is None or task in self.tasks)
            and (self.models is None or model in self.models)
        )

    def conditions(self) -> dict[str, Any]:
        names = {"task__in": self.tasks, "model_name__in": self.models}
        return {"grouping": self.grouping, **{field: values for field, values in names.items() if values is not None}}


_GROUPINGS: Final = {
    (False, False): Grouping.ALL,
    (True, False): Grouping.TASK,
    (False, True): Grouping.MODEL,
    (True, True): Grouping.TASK_AND_MODEL,
}


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the figures of the selected days come from."""

    selection: Selection
    newest: _Newest

    def tallies(self, scope: _Scope) -> Iterator[tuple[date, Key, Tally]]:
        rows = self._stored(scope).values_list("day", "grouping", "task", "model_name", *STORED_FIELDS)
        for day, grouping, task, model, *facts in rows:
            yield day, (grouping, task, model), _tally(*facts)
        yield from self._newest(scope)

    def ranking(self, by: By) -> list[str]:
        """Names of tasks or models, those with most examples first."""
        scope = self.each(by)
        rows = self._stored(scope).values_list(by.value).annotate(number=Sum("examples"))
        found = Counter(dict(rows.order_by("-number", by.value)[:SUGGESTED]))
        for _, key, tally in self._newest(scope):
            found[by.name_in(key)] += tally.examples
        return sorted(found, key=lambda name: (-found[name], name))[:SUGGESTED]

    def each(self, by: By) -> _Scope:
        """Each task, or each model, within what was selected."""
        chosen = self.selection
        if by is By.TASK:
            return _Scope.of(task=None, model=chosen.model, each_task=True)
        return _Scope.of(task=chosen.task, model=None, each_model=True)

    def _stored(self, scope: _Scope) -> QuerySet[DailyFigure]:
        end = self.newest.first_day or self.selection.today + timedelta(days=1)
        days = {"day__gte": self.selection.first_day, "day__lt": end}
        return DailyFigure.objects.order_by().filter(**days, **scope.conditions())

    def _newest(self, scope: _Scope) -> Iterator[tuple[date, Key, Tally]]:
        for day, tallies in self.newest.days.items():
            yield from ((day, key, tally) for key, tally in tallies.items() if scope.has(key))


def _tally(examples: int, input_tokens: int, output_tokens: int, cost_usd: float, priced: int, latencies: str) -> Tally:
    return Tally(examples, input_tokens, output_tokens, cost_usd, priced, from_text(latencies))


def read_figures(selection: Selection) -> Figures:
    """What to show of the days, the task and the model that were chosen."""
    counted = {day.day: day for day in FiguredDay.objects.filter(day__gte=window(selection.today)[0])}
    newest = _newest(selection, counted)
    source = _Source(selection, newest)
    whole = _Scope.of(task=selection.task, model=selection.model)
    days = {day: tally for day, _, tally in source.tallies(whole)}
    all_days = total(days.values())
    tasks, models = source.ranking(By.TASK), source.ranking(By.MODEL)
    return Figures(
        dates=selection.dates,
        total=days,
        sum=all_days,
        tasks=[] if selection.task else _series(source, By.TASK, tasks[:TOLD_APART], days, all_days),
        models=[] if selection.model else _series(source, By.MODEL, models[:TOLD_APART], days, all_days),
        suggested_tasks=tasks,
        suggested_models=models,
        counted_at=max((day.counted_at for day in counted.values()), default=None),
        is_live=newest.first_day is not None,
        cut_days=sum(day.is_cut for day in counted.values() if day.day >= selection.first_day),
    )


def _newest(selection: Selection, counted: Mapping[date, FiguredDay]) -> _Newest:
    """Yesterday and today, and what lies between them and the last day that was refreshed."""
    missing = (day for day in window(selection.today) if day not in counted)
    first_day = min(next(missing, selection.today), selection.today - timedelta(days=1))
    first_day = max(first_day, selection.first_day)
    rows = ExampleIndex.objects.order_by().filter(**during(first_day, selection.today))
    if rows[: LIVE_ROWS_AT_MOST + 1].count() > LIVE_ROWS_AT_MOST:
        return _Newest()
    by_day: defaultdict[date, list[Any]] = defaultdict(list)
    for created_at, *facts in rows.values_list("created_at", *FIELDS):
        by_day[created_at.astimezone(UTC).date()].append(facts)
    return _Newest(first_day, {day: _count_all(found) for day, found in by_day.items()})


def _count_all(rows: list[Any]) -> DayTallies:
    return count_rows(rows, tasks={row[0] for row in rows}, models={row[1] for row in rows})


def _series(source: _Source, by: By, names: Sequence[str], days: Mapping[date, Tally], whole: Tally) -> list[Series]:
    """One for each name, most examples first, and one for all others if there are any."""
    found: dict[str, dict[date, Tally]] = {name: {} for name in names}
    for day, key, tally in source.tallies(source.each(by).with_names(by, names)):
        found[by.name_in(key)][day] = tally
    series = [Series(name, each, total(each.values())) for name, each in found.items()]
    series.sort(key=lambda each: (-each.sum.examples, each.name))
    rest = whole.without((each.sum for each in series), latencies=True)
    return [*series, Series(None, _others(series, days), rest)] if rest.examples > 0 else series


def _others(series: Sequence[Series], days: Mapping[date, Tally]) -> dict[date, Tally]:
    """Without latencies, which nobody asks for day by day."""
    return {
        day: tally.without((each.days[day] for each in series if day in each.days), latencies=False)
        for day, tally in days.items()
    }
