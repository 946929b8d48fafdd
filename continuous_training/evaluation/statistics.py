"""Figures about paired scores. Numbers in, numbers out; nothing here knows what was measured."""

from collections.abc import Sequence
from typing import Final, NamedTuple

RESAMPLES: Final = 10_000
CONFIDENCE: Final = 0.95
SEED: Final = 42  # the same scores give the same interval
TIE: Final = 1e-9  # scores that differ by less are the same

_DRAWN_AT_ONCE: Final = 2**21  # numbers, of eight bytes each


class Interval(NamedTuple):
    """A mean, and where it lies with the confidence."""

    mean: float
    low: float
    high: float


class Outcomes(NamedTuple):
    """On how many items the first of two sides had the higher score."""

    wins: int
    ties: int
    losses: int


def bootstrap(
    values: Sequence[float], *, resamples: int = RESAMPLES, confidence: float = CONFIDENCE, seed: int = SEED
) -> Interval:
    """The mean of `values` with its percentile interval, from means of as many values drawn with replacement.

    Given the differences of two sides item by item this is the paired bootstrap (Efron 1979; Koehn 2004). Of fewer than
    some twenty values the interval is too narrow, of one it has no width. Raises ValueError for none.
    """
    import numpy as np  # takes a while to import, and few processes need it

    data = np.asarray(values, dtype=np.float64)
    if not data.size:
        raise ValueError("Of no values there is no mean.")
    random, tail = np.random.default_rng(seed), (1 - confidence) / 2
    at_once = max(1, _DRAWN_AT_ONCE // data.size)
    counts = [min(at_once, resamples - done) for done in range(0, resamples, at_once)]
    means = [data[random.integers(0, data.size, (count, data.size))].mean(axis=1) for count in counts]
    low, high = np.quantile(np.concatenate(means), (tail, 1 - tail))
    return Interval(float(data.mean()), float(low), float(high))


def outcomes(gains: Sequence[float]) -> Outcomes:
    """Of differences, the first side's score less the second's."""
    wins, losses = sum(gain > TIE for gain in gains), sum(gain < -TIE for gain in gains)
    return Outcomes(wins, len(gains) - wins - losses, losses)


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Between two values in proportion; None of no values."""
    if not values:
        return None
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = ordered[int(place)]
    above = ordered[min(int(place) + 1, len(ordered) - 1)]
    return below + (above - below) * (place - int(place))
