"""Trying again what the network refused: a few times, at growing and random distances, and then no more."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from secrets import randbelow
from typing import Final, TypeVar

from training_archive.shipping.exceptions import StorageUnreachable

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How often, and how long between. The n-th wait is random up to `first` x 2^n seconds, `longest` at most."""

    attempts: int = 7
    first: float = 1.0  # seconds
    longest: float = 30.0  # seconds

    def wait(self, failures: int) -> None:
        ceiling = min(self.longest, self.first * 2**failures)
        time.sleep(ceiling * (randbelow(1000) + 1) / 1000)  # random: hosts that failed together do not return together


PATIENT: Final = Backoff()


def patiently(call: Callable[[], _Result], backoff: Backoff) -> _Result:
    """What `call` returns. StorageUnreachable is tried again, and raised when it lasts; other errors come at once."""
    for failures in range(backoff.attempts - 1):
        try:
            return call()
        except StorageUnreachable:
            backoff.wait(failures)
    return call()
