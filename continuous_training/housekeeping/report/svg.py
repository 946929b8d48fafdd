"""Shapes of charts, as numbers for SVG. Only numbers go in, so nothing that was captured can come out.

All writing is HTML beside the picture. The browser stretches a picture over the room there is.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Final

DAY: Final = 10  # the width of a day
HEIGHT: Final = 200
WIDTH: Final = 1000  # of a bar that lies

_GAP: Final = 2  # between two days
_STEPS: Final = (1, 2, 2.5, 5, 10, 20)  # the last, should a logarithm be rounded the wrong way
_INTERVALS: Final = 4  # on the vertical axis, at most


def ticks(highest: float) -> list[float]:
    """Round numbers at equal distances, from 0 to at least `highest`."""
    if not math.isfinite(highest) or highest <= 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(highest / _INTERVALS))
    step = next(power * factor for factor in _STEPS if power * factor * _INTERVALS >= highest)
    return [step * number for number in range(math.ceil(highest / step) + 1)]


def stacked_columns(series: Sequence[Sequence[float]], highest: float) -> list[str]:
    """The `d` of a path for each series: one column a day, each on top of those of the series before it."""
    below = [0.0] * (len(series[0]) if series else 0)
    paths = []
    for values in series:
        paths.append("".join(_columns(values, below, highest)))
        below = [base + value for base, value in zip(below, values, strict=True)]
    return paths


def _columns(values: Sequence[float], below: Sequence[float], highest: float) -> Iterator[str]:
    for day, (value, base) in enumerate(zip(values, below, strict=True)):
        if value > 0:
            top, bottom = _place(base + value, highest), _place(base, highest)
            yield f"M{day * DAY + _GAP // 2} {bottom}V{top}h{DAY - _GAP}V{bottom}z"


def _place(value: float, highest: float) -> str:
    return f"{HEIGHT * (1 - value / highest):.1f}" if highest else str(HEIGHT)


def share(value: float, highest: float) -> int:
    """How much of WIDTH a bar has: what is more than nothing is seen."""
    if highest <= 0 or value <= 0:
        return 0
    return max(2, min(WIDTH, round(WIDTH * value / highest)))
