"""From rows of the index to the figures of a day."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import date
from typing import Final

from capture_app.models import ExampleIndex
from console.figures.histogram import to_text
from console.figures.tally import Tally, storable
from console.models import DailyFigure

Grouping = DailyFigure.Grouping

# What is read of a row of the index, in this order.
FIELDS: Final = ("task", "model_name", "input_tokens", "output_tokens", "cost_usd", "latency_ms")
# Of a row of DailyFigure, in the order of Tally's fields.
STORED_FIELDS: Final = ("examples", "input_tokens", "output_tokens", "cost_usd", "priced", "latencies")

Row = tuple[str, str, int | None, int | None, float | None, int | None]
Key = tuple[Grouping, str, str]  # grouping, task, model; "" where the grouping names none
DayTallies = dict[Key, Tally]


def count_rows(rows: Iterable[Row], *, tasks: Collection[str], models: Collection[str]) -> DayTallies:
    """Figures of all rows, of each of these tasks and models, and of each pair of them.

    Other names count in what they are part of, so that "others" is the difference. The memory that it takes depends on
    how many names are told apart, not on how many there are.
    """
    cells: defaultdict[tuple[str | None, str | None], Tally] = defaultdict(Tally)
    for task, model, input_tokens, output_tokens, cost_usd, latency_ms in rows:
        cell = cells[task if task in tasks else None, model if model in models else None]
        cell.count(input_tokens, output_tokens, cost_usd, latency_ms)
    found: DayTallies = defaultdict(Tally)
    for names, tally in cells.items():
        for key in _keys(*names):
            found[key].add(tally)
    return dict(found)


def _keys(task: str | None, model: str | None) -> Iterable[Key]:
    yield Grouping.ALL, "", ""
    if task is not None:
        yield Grouping.TASK, task, ""
    if model is not None:
        yield Grouping.MODEL, "", model
    if task is not None and model is not None:
        yield Grouping.TASK_AND_MODEL, task, model


def index_rows(**conditions: object) -> Iterable[Row]:
    """Rows of the index, one by one, in no order. However many there are, few are in memory."""
    return ExampleIndex.objects.order_by().filter(**conditions).values_list(*FIELDS).iterator(chunk_size=5000)


def stored(day: date, tallies: DayTallies) -> list[DailyFigure]:
    """Rows for the database; they are not saved."""
    return [
        DailyFigure(
            grouping=grouping,
            day=day,
            task=task,
            model_name=model,
            examples=tally.examples,
            input_tokens=storable(tally.input_tokens),
            output_tokens=storable(tally.output_tokens),
            cost_usd=tally.cost_usd,
            priced=tally.priced,
            latencies=to_text(tally.latencies),
        )
        for (grouping, task, model), tally in tallies.items()
    ]
