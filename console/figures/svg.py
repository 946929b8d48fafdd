"""Shapes of charts, as the `d` of an SVG path. Only numbers go in, so nothing that was captured can come out.

A chart is drawn into a box of DAY units a day and HEIGHT units, and the browser stretches that over the room there is:
lines keep their width (`vector-effect`), and all writing is HTML beside the picture, so that it is as large on a phone.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

DAY: Final = 10  # the width of a day
HEIGHT: Final = 1000

_GAP: Final = 2  # between the bars of two days
_BARS_WITH_GAPS: Final = 100  # with more days than these a gap would be finer than a pixel
_STEPS: Final = (1, 2, 2.5, 5, 10, 20)  # the last, should a logarithm be rounded the wrong way
_INTERVALS: Final = 5  # on the vertical axis, at most


def ticks(highest: float, *, whole: bool = False) -> list[float]:
    """Round numbers at equal distances from 0 to at least `highest`, six at most; `whole`: integers only."""
    if not math.isfinite(highest) or highest <= 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(highest / _INTERVALS))
    steps = (max(power * factor, 1.0) if whole else power * factor for factor in _STEPS)
    step = next(step for step in steps if step * _INTERVALS >= highest and not (whole and step % 1))
    return [step * number for number in range(math.ceil(highest / step) + 1)]


def stacked_bars(series: Sequence[Sequence[float]], highest: float) -> list[str]:
    """A path for each series: one bar a day, each on top of those of the series before it."""
    days = len(series[0]) if series else 0
    width = DAY - _GAP if days <= _BARS_WITH_GAPS else DAY
    below = [0.0] * days
    paths = []
    for values in series:
        paths.append("".join(_bars(values, below, width, highest)))
        below = [base + max(value, 0.0) for base, value in zip(below, values, strict=True)]
    return paths


def _bars(values: Sequence[float], below: Sequence[float], width: int, highest: float) -> Iterator[str]:
    left = (DAY - width) // 2
    for day, (value, base) in enumerate(zip(values, below, strict=True)):
        if value > 0:
            top, bottom = _height(base + value, highest), _height(base, highest)
            yield f"M{day * DAY + left} {bottom}V{top}h{width}V{bottom}z"


def line(values: Iterable[float | None], highest: float) -> str:
    """A path through the middle of each day. A day without a value interrupts it; a day alone is a dot."""
    parts, is_drawing = [], False
    for day, value in enumerate(values):
        if value is not None:
            point = f"{day * DAY + DAY // 2} {_height(value, highest)}"
            parts.append(f"L{point}" if is_drawing else f"M{point}h0")
        is_drawing = value is not None
    return "".join(parts)


def area(values: Sequence[float], highest: float) -> str:
    """A path around what lies under a line that goes up in steps, one a day."""
    steps = "".join(f"V{_height(value, highest)}h{DAY}" for value in values)
    return f"M0 {HEIGHT}{steps}V{HEIGHT}z" if values else ""


def _height(value: float, highest: float) -> int:
    return round(HEIGHT * (1 - value / highest)) if highest else HEIGHT
