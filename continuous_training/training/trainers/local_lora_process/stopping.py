"""The process is asked to stop by SIGTERM, or by the end of the worker, which it notices by the end of its input."""

import os
import signal
import threading
from collections.abc import Callable
from typing import Any, Final

_PATIENCE: Final = 120.0  # seconds for a checkpoint once the worker is gone; another one may be waiting for the GPU
_ABANDONED: Final = 70  # exit code
_INPUT: Final = 0  # by its number: sys.stdin has a lock that a thread may not hold when the process ends


Tell = Callable[[dict[str, Any]], None]  # what the process tells its worker: an event


class Stopped(Exception):
    """Somebody asked to stop. What was learnt so far is in the last checkpoint."""


class Stop:
    """Whether the process was asked to stop."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def watch(self) -> None:
        """From now on, in the main thread."""
        signal.signal(signal.SIGTERM, self.ask)
        threading.Thread(target=self._watch_worker, daemon=True, name="watches the worker").start()

    def ask(self, *_: Any) -> None:
        self._asked.set()

    def _watch_worker(self) -> None:
        while os.read(_INPUT, 1):
            pass
        self._asked.set()
        threading.Event().wait(_PATIENCE)
        os._exit(_ABANDONED)  # it is stuck, and nobody is there to be told

    @property
    def is_asked(self) -> bool:
        return self._asked.is_set()

    def raise_if_asked(self) -> None:
        """Raises Stopped."""
        if self.is_asked:
            raise Stopped
