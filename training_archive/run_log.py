"""What a run says while it is at work: its steps with their times, and what the services log in it.

It is kept in a row of Django's database and shown to people who may see figures only, so it holds what the services log
and nothing else: no traceback, and no error's own words, which may quote an example.
"""

import logging
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

LOG_CHARACTERS: Final = 64_000  # what is kept of a log that is longer: its beginning, and most of its end
_HEAD_CHARACTERS: Final = 16_000
_LINE_CHARACTERS: Final = 1_000
_MOST_STEPS: Final = 100
_LOGGERS: Final = ("capture_app", "training_archive")

_listening: ContextVar["RunLog | None"] = ContextVar("listening", default=None)


class RunLog:
    """Lines with the time of each, in UTC; never more than LOG_CHARACTERS of them."""

    def __init__(self) -> None:
        self._head: list[str] = []
        self._tail: deque[str] = deque()
        self._head_room = _HEAD_CHARACTERS
        self._tail_room = LOG_CHARACTERS - _HEAD_CHARACTERS - 100  # for the line that tells of those left out
        self._left_out = 0

    def add(self, text: str) -> None:
        line = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}  {storable(text)[:_LINE_CHARACTERS]}\n"
        if not self._tail and len(line) <= self._head_room:
            self._head.append(line)
            self._head_room -= len(line)
            return
        self._tail.append(line)
        self._tail_room -= len(line)
        while self._tail_room < 0:
            self._tail_room += len(self._tail.popleft())
            self._left_out += 1

    def text(self) -> str:
        gap = [f"... {self._left_out:,} lines are left out here ...\n"] if self._left_out else []
        return "".join([*self._head, *gap, *self._tail])

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take down what the services log in this thread, from INFO up, as far as the project's LOGGING lets it be."""

        def take(record: logging.LogRecord) -> bool:
            if _listening.get() is self and record.levelno >= logging.INFO:
                self.add(_worded(record))
            return True  # a filter rather than a handler: one more handler would change where the records go

        token = _listening.set(self)
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(take)
        try:
            yield
        finally:
            for name in _LOGGERS:
                logging.getLogger(name).removeFilter(take)
            _listening.reset(token)


class Steps:
    """How often a run came to each of its steps, and how long it was there."""

    def __init__(self) -> None:
        self._steps: dict[str, list[float]] = {}  # name -> [times, seconds]
        self._at: str | None = None
        self._since = 0.0

    def begin(self, step: str) -> bool:
        """Whether the step is another than before."""
        if step == self._at:
            return False
        self.end()
        self._at, self._since = step, time.monotonic()
        if step in self._steps or len(self._steps) < _MOST_STEPS:
            self._steps.setdefault(step, [0, 0.0])[0] += 1
        return True

    def end(self) -> None:
        if self._at in self._steps:
            self._steps[self._at][1] += time.monotonic() - self._since
        self._at = None

    def facts(self) -> list[dict[str, Any]]:
        """`{"step", "times", "seconds"}` of each, in the order of their first time."""
        return [
            {"step": step, "times": int(times), "seconds": round(seconds, 3)}
            for step, (times, seconds) in self._steps.items()
        ]


def storable(text: str) -> str:
    """The text without what a database refuses: lone surrogates, which odd file names have, and NUL."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00").replace("\n", " ")


def _worded(record: logging.LogRecord) -> str:
    try:
        message = record.getMessage()
    except (TypeError, ValueError):  # words and values that do not fit; the handlers complain of it
        message = str(record.msg)
    return f"{record.levelname}: {message}" if record.levelno >= logging.WARNING else message
