"""The charts of a report: calls and cost, day by day."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from capture_app.shown import short
from continuous_training.housekeeping.report import svg
from continuous_training.housekeeping.report.facts import MonthFacts
from continuous_training.housekeeping.report.shapes import Chart, Mark
from continuous_training.housekeeping.report.words import money

_SERIES: Final = 5  # that have a colour of their own; the rest is one

_Form = Callable[[float], str]


def calls_chart(facts: MonthFacts) -> Chart:
    return _chart(
        facts,
        facts.calls.calls_by_day,
        title="Calls a day, by task",
        description="Captured calls on each day of the month.",
        form=lambda value: f"{value:,.0f}" if value % 1 == 0 else f"{value:,.1f}",
    )


def cost_chart(facts: MonthFacts) -> Chart:
    return _chart(
        facts,
        facts.calls.cost_by_day,
        title="Cost of calls a day, by model",
        description="Where it is known what a call cost.",
        form=money,
    )


def _chart(
    facts: MonthFacts, found: Mapping[str, Sequence[float]], *, title: str, description: str, form: _Form
) -> Chart:
    ordered = sorted(filter(lambda name: sum(found[name]), found), key=lambda name: (-sum(found[name]), name))
    series = [(short(name) or "unnamed", found[name]) for name in ordered[:_SERIES]]
    others = [found[name] for name in ordered[_SERIES:]]
    if others:
        series.append(("", [sum(day) for day in zip(*others, strict=True)]))
    levels = svg.ticks(max(map(sum, zip(*(values for _, values in series), strict=True)), default=0.0))
    paths = svg.stacked_columns([values for _, values in series], levels[-1])
    days = facts.month.days()
    return Chart(
        title=title,
        description=description,
        marks=[
            Mark(name, number if name else _SERIES, path, form(sum(values)))
            for number, ((name, values), path) in enumerate(zip(series, paths, strict=True))
        ],
        levels=[form(level) for level in reversed(levels)],
        grid=[svg.HEIGHT * number / (len(levels) - 1) for number in range(len(levels))],
        days=[f"{day:%b} {day.day}" for day in (days[0], days[len(days) // 2], days[-1])],
        width=len(days) * svg.DAY,
    )
