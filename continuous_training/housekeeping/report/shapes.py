"""What a report shows, as the template takes it. Names may be anything: it escapes them."""

from dataclasses import dataclass
from typing import NamedTuple

from continuous_training.evaluation.pictures import IntervalPicture
from continuous_training.housekeeping.report import svg


class Card(NamedTuple):
    """A figure at the top."""

    label: str
    figure: str
    note: str


class Mark(NamedTuple):
    """One series of a chart."""

    name: str  # "": the others
    color: int  # from 0; _SERIES: the others'
    path: str
    total: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Stacked columns, one a day."""

    title: str
    description: str
    marks: list[Mark]
    levels: list[str]  # on the vertical axis, the highest first
    grid: list[float]  # where these are
    days: list[str]  # the first, the middle and the last
    width: int
    height: int = svg.HEIGHT


@dataclass(frozen=True, slots=True)
class Cell:
    """Of a table; `bar` is how much of svg.WIDTH is drawn behind it."""

    text: str
    bar: int | None = None
    is_name: bool = False  # somebody's word, which may be in any direction
    is_over: bool = False  # its bar is of another colour
    picture: IntervalPicture | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A section with its rows."""

    title: str
    description: str
    head: list[Cell]
    rows: list[list[Cell]]
    nothing: str  # what is said when there are no rows
    more: str = ""  # how many rows are left out; "" for none


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """All that is shown."""

    month: str  # "October 2026"
    span: str
    made_at: str
    is_over: bool
    is_empty: bool
    cards: list[Card]
    charts: list[Chart]
    tables: list[Table]
    bar_width: int = svg.WIDTH
