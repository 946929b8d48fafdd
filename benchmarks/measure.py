"""Clocks and statistics: latencies of a loop, seconds of a block, medians over rounds."""

import gc
import os
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Self, TypeVar

Item = TypeVar("Item")

_NANOSECONDS_PER_MICROSECOND = 1000


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over several rounds: its median, and how far rounds lay apart."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        return cls(median(values), min(values), max(values))

    def minus(self, amount: float) -> "Spread":
        return Spread(self.median - amount, self.low - amount, self.high - amount)

    def text(self, digits: int = 1) -> str:
        if self.low == self.high:
            return f"{self.median:,.{digits}f}"
        return f"{self.median:,.{digits}f} ({self.low:,.{digits}f} to {self.high:,.{digits}f})"


@dataclass(slots=True)
class Stopwatch:
    """Filled in when its `timed` block ends."""

    seconds: float = 0.0


@contextmanager
def timed() -> Iterator[Stopwatch]:
    watch = Stopwatch()
    started = time.perf_counter()
    yield watch
    watch.seconds = time.perf_counter() - started


def settle() -> None:
    """Before each timed part: write back what earlier parts left dirty, and collect their garbage."""
    gc.collect()
    os.sync()


def latencies(call: Callable[[Item], object], items: Sequence[Item], count: int) -> list[float]:
    """Microseconds of each of `count` calls in a tight loop over `items`. Python's garbage collector stays on."""
    clock = time.perf_counter_ns
    taken = array("q", bytes(8 * count))
    number = len(items)
    for index in range(count):
        item = items[index % number]
        started = clock()
        call(item)
        taken[index] = clock() - started
    return [nanoseconds / _NANOSECONDS_PER_MICROSECOND for nanoseconds in taken]


def paced_latencies(
    call: Callable[[Item], object], items: Sequence[Item], count: int, *, per_second: float
) -> list[float]:
    """Microseconds of each call when the loop sleeps between calls, as a server does: caches are cold then."""
    taken: list[float] = []
    begin = time.monotonic()
    for index in range(count):
        time.sleep(max(0.0, begin + index / per_second - time.monotonic()))
        taken += latencies(call, [items[index % len(items)]], 1)
    return taken


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of the values do not exceed."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


def in_turns(names: Sequence[str], number: int) -> list[str]:
    """The order of round `number`: each round begins with another name, so that none always follows the same."""
    shift = number % len(names)
    return [*names[shift:], *names[:shift]]
