"""Figures about paired scores. Arrays of floats in, numbers out; nothing here knows what was measured."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES: Final = 10_000
CONFIDENCE: Final = 0.95
SEED: Final = 42  # the same scores give the same interval
TIE: Final = 1e-9  # scores that differ by less are the same

_DRAWN_AT_ONCE: Final = 2**21  # numbers, of eight bytes each

Floats = NDArray[np.float64]


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
    data: Floats = np.asarray(values, dtype=np.float64)
    if not data.size:
        raise ValueError("Of no values there is no mean.")
    tail = (1 - confidence) / 2
    low, high = np.quantile(_means(data, resamples, seed), (tail, 1 - tail))
    return Interval(float(data.mean()), float(low), float(high))


def _means(data: Floats, resamples: int, seed: int) -> Floats:
    random = np.random.default_rng(seed)
    at_once = max(1, _DRAWN_AT_ONCE // data.size)
    counts = [min(at_once, resamples - done) for done in range(0, resamples, at_once)]
    drawn = [data[random.integers(0, data.size, (count, data.size))].mean(axis=1) for count in counts]
    means: Floats = np.concatenate(drawn)
    return means


def outcomes(gains: Sequence[float]) -> Outcomes:
    """Of differences, the first side's score less the second's."""
    data: Floats = np.asarray(gains, dtype=np.float64)
    wins, losses = int((data > TIE).sum()), int((data < -TIE).sum())
    return Outcomes(wins, data.size - wins - losses, losses)


def percentile(values: Sequence[float], percent: float) -> float | None:
    """None of no values."""
    return float(np.percentile(np.asarray(values, dtype=np.float64), percent)) if values else None
