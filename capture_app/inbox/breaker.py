"""Keeping calls away from a server that failed: for a second, then for twice as long each time, up to half a minute."""

import threading
import time
from typing import Final

FIRST_WAIT: Final = 1.0  # seconds
LONGEST_WAIT: Final = 30.0  # seconds


class Breaker:
    """Ask `allows` before each try, and say how it ended. When a wait is over, one caller alone finds out for all.

    Nothing here blocks: a signal handler that makes a call must not wait for the call that it interrupted.
    """

    def __init__(self) -> None:
        self._wait = 0.0  # seconds; 0 while all is well
        self._until = 0.0  # monotonic time of the next try
        self._claim = threading.Lock()

    def allows(self) -> bool:
        if not self._wait:
            return True
        if time.monotonic() < self._until or not self._claim.acquire(blocking=False):
            return False
        try:
            return self._claim_try()
        finally:
            self._claim.release()

    def _claim_try(self) -> bool:
        """Have everybody else wait for the next try, which is put off at once: then a failure changes nothing more."""
        now = time.monotonic()
        if now < self._until:
            return False
        self._wait = min(2 * self._wait, LONGEST_WAIT)
        self._until = now + self._wait
        return True

    def failed(self) -> bool:
        """Whether this is news. Threads that were under way together when it failed count once."""
        if self._wait:
            return False
        self._until = time.monotonic() + FIRST_WAIT
        self._wait = FIRST_WAIT
        return True

    def succeeded(self) -> bool:
        """Whether this is news."""
        if not self._wait:
            return False
        self._wait = 0.0
        return True
