"""What is drawn in a report, as numbers for an SVG. Only numbers go in, so nothing that a model said can come out."""

import math
from dataclasses import dataclass
from typing import Final

from continuous_training.evaluation.statistics import Interval

WIDTH: Final = 420
_MARGIN: Final = 24
_STEPS: Final = (1, 2, 5, 10)
_TICKS: Final = 6  # at most


@dataclass(frozen=True, slots=True)
class IntervalPicture:
    """A gain with its interval on an axis that has 0; places are from the left, of WIDTH."""

    zero: int
    low: int
    high: int
    mean: int
    ticks: list[tuple[int, str]]
    width: int = WIDTH

    @property
    def length(self) -> int:
        """Of the interval; what has no width is seen all the same."""
        return max(2, self.high - self.low)


def interval_picture(gain: Interval) -> IntervalPicture:
    """The axis ends at round numbers around the interval and 0."""
    low, high = min(gain.low, gain.mean, 0.0), max(gain.high, gain.mean, 0.0)
    if high - low < 1e-6:
        low, high = -0.01, 0.01
    step = _step((high - low) / (_TICKS - 2))
    first, last = math.floor(low / step), math.ceil(high / step)

    def place(value: float) -> int:
        share = (value / step - first) / (last - first)
        return round(_MARGIN + share * (WIDTH - 2 * _MARGIN))

    digits = max(0, -math.floor(math.log10(step)))
    ticks = [(place(number * step), f"{number * step + 0.0:.{digits}f}") for number in range(first, last + 1)]
    return IntervalPicture(place(0.0), place(gain.low), place(gain.high), place(gain.mean), ticks)


def _step(least: float) -> float:
    """The next round number."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in _STEPS if power * factor >= least * (1 - 1e-9))
