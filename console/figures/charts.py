"""Figures as charts, each with the same numbers in a table. See svg for what is drawn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple

from console.figures import svg
from console.figures.growth import Growth
from console.figures.numbers import Format, duration, known, money, short, size, whole
from console.figures.reading import Figures, Series
from console.figures.tally import Tally

PERCENTILES: Final = (50, 95, 99)

_DATES_ON_AXIS: Final = 4
_HINTS_AT_MOST: Final = 100  # with more days than these, one is too narrow to be pointed at

Value = Callable[[Tally], float | None]


class Label(NamedTuple):
    """What something is called: our own word, or a task's or model's name, which may be anything."""

    text: str
    is_captured: bool = False


OTHERS: Final = Label("others")


def named(name: str) -> Label:
    """A task's or model's."""
    return Label(name, is_captured=True) if name.strip() else Label("unnamed")


@dataclass(frozen=True, slots=True)
class Mark:
    """What is drawn for one series."""

    label: Label
    color: str  # the end of a CSS class
    path: str


@dataclass(frozen=True, slots=True)
class Table:
    """A chart's numbers, as text."""

    head: list[Label]
    rows: list[list[str]]  # the first cell says what the row is about


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A picture, what stands beside it, and the table beneath."""

    slug: str
    title: str
    description: str
    kind: str  # bars, line or area
    marks: list[Mark]
    levels: list[str]  # on the vertical axis, highest first, at equal distances
    grid: list[int]  # where these are in the picture
    dates: list[str]  # on the horizontal axis, at equal distances
    hints: list[tuple[int, str]]  # where a day begins, and what is told when it is pointed at, if it can be
    table: Table
    width: int
    height: int = svg.HEIGHT
    day_width: int = svg.DAY


@dataclass(frozen=True, slots=True)
class _Column:
    """One series before it is drawn: a value for each day."""

    label: Label
    color: str
    values: list[float | None]

    @property
    def heights(self) -> list[float]:
        return [value or 0.0 for value in self.values]


@dataclass(frozen=True, slots=True)
class _Look:
    """How a chart of some kind draws its columns."""

    kind: str
    highest: Callable[[list[_Column]], float]
    paths: Callable[[list[_Column], float], list[str]]


_STACKED: Final = _Look(
    "bars",
    lambda columns: max(map(sum, zip(*(column.heights for column in columns), strict=True)), default=0.0),
    lambda columns, highest: svg.stacked_bars([column.heights for column in columns], highest),
)
_LINES: Final = _Look(
    "line",
    lambda columns: max((height for column in columns for height in column.heights), default=0.0),
    lambda columns, highest: [svg.line(column.values, highest) for column in columns],
)
_AREA: Final = _Look(
    "area", _LINES.highest, lambda columns, highest: [svg.area(column.heights, highest) for column in columns]
)


def examples_chart(figures: Figures) -> Chart:
    """By task, or by model where one task is selected."""
    told_apart = " by task" if figures.tasks else " by model" if figures.models else ""
    return _chart(
        figures.dates,
        _each(figures, figures.tasks or figures.models, lambda tally: tally.examples, "examples"),
        _STACKED,
        slug="examples",
        title=f"Examples per day{told_apart}",
        description="Calls that were captured on each day.",
        form=whole,
    )


def tokens_chart(figures: Figures) -> Chart:
    """What models read, and what they wrote."""
    columns = [
        _whole(figures, "in", "0", lambda tally: tally.input_tokens),
        _whole(figures, "out", "1", lambda tally: tally.output_tokens),
    ]
    return _chart(
        figures.dates,
        columns,
        _STACKED,
        slug="tokens",
        title="Tokens per day",
        description="Tokens that models read and wrote on each day, as their providers count them.",
        form=whole,
    )


def cost_chart(figures: Figures) -> Chart:
    """By model, or by task where one model is selected."""
    told_apart = " by model" if figures.models else " by task" if figures.tasks else ""
    return _chart(
        figures.dates,
        _each(figures, figures.models or figures.tasks, lambda tally: tally.cost_usd, "cost"),
        _STACKED,
        slug="cost",
        title=f"Cost per day{told_apart}",
        description="What the calls of each day cost in US dollars, where the price is known.",
        form=money,
    )


def latency_chart(figures: Figures) -> Chart:
    """Percentiles of all calls."""
    columns = [_whole(figures, f"p{percent}", f"p{percent}", _percentile(percent)) for percent in PERCENTILES]
    return _chart(
        figures.dates,
        columns,
        _LINES,
        slug="latency",
        title="Latency per day",
        description="How long calls took: half of them at most p50, 95 % at most p95, 99 % at most p99; within 5 %.",
        form=duration,
    )


def growth_chart(dates: Sequence[date], growth: Growth) -> Chart:
    """Bytes as a picture; chunks and examples in the table besides."""
    column = _Column(Label("bytes"), "0", [growth.sizes[day] for day in dates])
    rows = [
        [day.isoformat(), whole(growth.chunks.get(day, 0)), whole(growth.rows[day]), size(growth.sizes[day])]
        for day in reversed(dates)
    ]
    return _chart(
        dates,
        [column],
        _AREA,
        slug="growth",
        title="Size of the archive",
        description="All chunks that are in the archive now, by the day on which they came into it.",
        form=size,
        table=Table([Label(word) for word in ("day (UTC)", "new chunks", "examples in all", "bytes in all")], rows),
    )


def _percentile(percent: int) -> Value:
    return lambda tally: tally.percentile(percent)


def _whole(figures: Figures, word: str, color: str, value: Value) -> _Column:
    """A column over all calls that were selected."""
    found = [figures.total.get(day) for day in figures.dates]
    return _Column(Label(word), color, [None if tally is None else value(tally) for tally in found])


def _each(figures: Figures, series: Sequence[Series], value: Value, word: str) -> list[_Column]:
    """A column for each task or model; where none are told apart, one over all, with our own word for it."""
    if not series:
        return [_whole(figures, word, "0", value)]
    return [
        _Column(
            OTHERS if each.name is None else named(each.name),
            "others" if each.name is None else str(number),
            [value(each.days[day]) if day in each.days else None for day in figures.dates],
        )
        for number, each in enumerate(series)
    ]


def _chart(
    dates: Sequence[date],
    columns: list[_Column],
    look: _Look,
    *,
    slug: str,
    title: str,
    description: str,
    form: Format,
    table: Table | None = None,
) -> Chart:
    ticks = svg.ticks(look.highest(columns), whole=form is whole)
    paths = look.paths(columns, ticks[-1])
    axis = short if form is whole else form
    return Chart(
        slug=slug,
        title=title,
        description=description,
        kind=look.kind,
        marks=[Mark(column.label, column.color, path) for column, path in zip(columns, paths, strict=True)],
        levels=[axis(tick) for tick in reversed(ticks)],
        grid=[round(svg.HEIGHT * number / (len(ticks) - 1)) for number in range(len(ticks))],
        dates=_some_dates(dates),
        hints=_hints(dates, columns, form),
        table=table or _table(dates, columns, look, form),
        width=len(dates) * svg.DAY,
    )


def _some_dates(dates: Sequence[date]) -> list[str]:
    last = len(dates) - 1
    return [f"{dates[last * number // (_DATES_ON_AXIS - 1)]:%b %d}" for number in range(_DATES_ON_AXIS)]


def _hints(dates: Sequence[date], columns: list[_Column], form: Format) -> list[tuple[int, str]]:
    """Names that were captured are left out: in one line of text they could be taken for ours."""
    if len(dates) > _HINTS_AT_MOST:
        return []
    found = []
    for number, day in enumerate(dates):
        if any(column.label.is_captured for column in columns):
            told = form(sum(column.heights[number] for column in columns))
        else:
            told = ", ".join(f"{column.label.text} {known(column.values[number], form)}" for column in columns)
        found.append((number * svg.DAY, f"{day}: {told}"))
    return found


def _table(dates: Sequence[date], columns: list[_Column], look: _Look, form: Format) -> Table:
    """Newest day first. A stack of several has its height in a column of its own."""
    adds_up = look is _STACKED and len(columns) > 1
    head = [Label("day (UTC)"), *(column.label for column in columns), *([Label("all")] if adds_up else [])]
    rows = []
    for number in reversed(range(len(dates))):
        values = [column.values[number] for column in columns]
        cells = ["" if value is None else form(value) for value in values]
        total = [form(sum(value or 0 for value in values))] if adds_up else []
        rows.append([dates[number].isoformat(), *cells, *total])
    return Table(head, rows)
