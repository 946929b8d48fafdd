"""Killing a process at a chosen step of its work, by a real SIGKILL: no `finally` runs, no buffer is flushed.

A step is a call that may leave a trace outside the process: into the operating system, SQLite or DuckDB. The process
dies just before its n-th one, so that numbers from 1 on reach every state in which a kill can leave the disk.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

import duckdb

_FILE_CALLS: Final = "open write pwrite copy_file_range sendfile fsync fdatasync ftruncate"
_NAME_CALLS: Final = "rename replace unlink remove rmdir mkdir utime"
_SQLITE_CALLS: Final = "execute executemany commit"
_STEPS: Final = frozenset(f"{_FILE_CALLS} {_NAME_CALLS} {_SQLITE_CALLS}".split())


class Steps:
    """Counts the steps of this process, and ends it at one of them: a number from 1 on, or `call in function`."""

    def __init__(self, kill_at: int | str | None) -> None:
        self.count = 0
        self._number = kill_at if isinstance(kill_at, int) else None
        self._call, _, self._function = kill_at.partition(" in ") if isinstance(kill_at, str) else ("", "", "")

    def take(self, call: str, frame: FrameType | None) -> None:
        self.count += 1
        if self.count == self._number or (call == self._call and self._is_in_function(frame)):
            os.kill(os.getpid(), signal.SIGKILL)

    def profile(self, frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call" and called.__name__ in _STEPS:
            self.take(called.__name__, frame)

    def _is_in_function(self, frame: FrameType | None) -> bool:
        while frame is not None and frame.f_code.co_name != self._function:
            frame = frame.f_back
        return frame is not None


class _Connection:
    """A DuckDB connection whose statements are steps: it is made of C++ that no profiler sees."""

    def __init__(self, connection: Any, steps: Steps) -> None:
        self._connection, self._steps = connection, steps

    def execute(self, *args: Any, **options: Any) -> Any:
        self._steps.take("duckdb", sys._getframe())
        return self._connection.execute(*args, **options)

    def close(self) -> None:
        self._steps.take("duckdb", sys._getframe())
        self._connection.close()

    def __enter__(self) -> "_Connection":
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@contextmanager
def killed_at(step: int | str | None) -> Iterator[Steps]:
    """Run the block, and kill this process before that step (see Steps; None: never)."""
    steps, connect = Steps(step), duckdb.connect

    def counted(*args: Any, **options: Any) -> Any:
        return _Connection(connect(*args, **options), steps)

    duckdb.connect = counted
    sys.setprofile(steps.profile)
    try:
        yield steps
    finally:
        sys.setprofile(None)
        duckdb.connect = connect
