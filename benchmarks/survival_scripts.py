"""Programs of `survival` that no server runs: `python -m benchmarks.survival_scripts threads|streams COUNT`."""

import asyncio
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from benchmarks.environment import LATENCY
from benchmarks.survival_ways import Way, acknowledge, way_of_environment

_AT_ONCE: Final = 16


def threads(way: Way, count: int) -> None:
    """Calls from a few threads; then the process ends without Python's own clean-up."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lambda number: acknowledge(way.call(f"Question {number}")), range(count)))
    way.finish()
    os._exit(0)


def streams(way: Way, count: int) -> None:
    """Streams that are given up half-way; then the program waits, with no handler for SIGTERM."""
    asyncio.run(_streams(way, count))


async def _streams(way: Way, count: int) -> None:
    patience, turn = float(os.environ[LATENCY]) / 2, asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> None:
        async with turn:
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await way.stream(f"Question {number}", _ignore)

    await asyncio.gather(*(one(number) for number in range(count)))
    print("waiting", flush=True)
    await asyncio.Event().wait()


async def _ignore(text: str) -> None:
    """The caller wants the pieces only to see that they come."""


_PROGRAMS: Final[dict[str, Callable[[Way, int], None]]] = {"threads": threads, "streams": streams}

if __name__ == "__main__":
    _PROGRAMS[sys.argv[1]](way_of_environment(), int(sys.argv[2]))
