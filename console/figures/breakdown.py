"""Tasks and models side by side, over all days together."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from console.figures.charts import OTHERS, PERCENTILES, Label, named
from console.figures.numbers import duration, known, money, whole
from console.figures.reading import By, Figures, Series
from console.figures.selection import Selection
from console.figures.tally import Tally

HEAD: Final = ("examples", "tokens in", "tokens out", "cost", *(f"p{percent}" for percent in PERCENTILES))


@dataclass(frozen=True, slots=True)
class Row:
    """One task or model."""

    label: Label
    query: str  # of the dashboard that shows it alone; "": of several, so there is none
    cells: list[str]  # see HEAD


@dataclass(frozen=True, slots=True)
class Breakdown:
    """All of them, and what they add up to."""

    title: str
    head: list[str]
    rows: list[Row]


def breakdowns(figures: Figures, selection: Selection) -> list[Breakdown]:
    """By task and by model, each unless one was selected."""
    found = (("task", By.TASK, figures.tasks), ("model", By.MODEL, figures.models))
    return [
        Breakdown(f"By {word}", [word, *HEAD], [*_rows(series, by, selection), _all(figures)])
        for word, by, series in found
        if series
    ]


def _rows(series: list[Series], by: By, selection: Selection) -> Iterator[Row]:
    for each in series:
        if each.name is None:
            yield Row(OTHERS, "", _cells(each.sum))
        else:
            yield Row(named(each.name), _query(each.name, by, selection) if each.name else "", _cells(each.sum))


def _query(name: str, by: By, selection: Selection) -> str:
    if by is By.TASK:
        return selection.query(task=name, model=selection.model)
    return selection.query(task=selection.task, model=name)


def _all(figures: Figures) -> Row:
    return Row(Label("all"), "", _cells(figures.sum))


def _cells(tally: Tally) -> list[str]:
    figures = [whole(tally.examples), whole(tally.input_tokens), whole(tally.output_tokens), known(tally.cost, money)]
    return [*figures, *(known(tally.percentile(percent), duration) for percent in PERCENTILES)]
