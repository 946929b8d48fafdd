"""Where processes find the routes that hold now, and count what came of their calls.

The routes are kept in Django's database, and nobody asks that while a call waits: it may be away, be in a failed
transaction, or forbid questions from an event loop. Who changes a route puts all of them on the board, once more a
minute whoever drains, and each process looks there once a second. A host's board is a file in the data directory; hosts
that share a Redis have a key in it.
"""

import os
from abc import ABC, abstractmethod
from functools import lru_cache
from pathlib import Path
from typing import Final

from django.core.signals import setting_changed

from capture_app.conf import SETTING, capture_settings
from capture_app.counters import FOLDER, Counters, sum_counts
from capture_app.files import write_atomically

FILE_NAME: Final = "routes.json"
_COUNTS: Final = "routes"  # below the folder of what capture counts


class RouteBoard(ABC):
    """What `read` and `count` do runs inside calls: it never raises."""

    @abstractmethod
    def read(self) -> bytes | None:
        """What was published last; None: nothing was, or it cannot be read now."""

    @abstractmethod
    def is_same(self) -> bool:
        """Whether it is surely what `read` gave last."""

    @abstractmethod
    def publish(self, content: bytes) -> None:
        """Raises OSError, or what Redis raises; then the board is as it was."""

    @abstractmethod
    def count(self, name: str) -> None:
        """Count one more of that name, up to 120 bytes of UTF-8."""

    @abstractmethod
    def counts(self) -> dict[str, int]:
        """All that was ever counted; raises as publish does."""


class FileBoard(RouteBoard):
    """For the processes of one host."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FILE_NAME
        self._seen: tuple[int, int, int] | None = None  # of the file that was read last
        self._folder = data_dir / FOLDER / _COUNTS
        self._counters = Counters(lambda: self._folder)

    def read(self) -> bytes | None:
        try:
            with self._path.open("rb") as file:
                self._seen = _identity(os.fstat(file.fileno()))
                return file.read()
        except OSError:
            self._seen = None
            return None

    def is_same(self) -> bool:
        try:
            return _identity(self._path.stat()) == self._seen
        except OSError:
            return self._seen is None

    def publish(self, content: bytes) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self._path, content)

    def count(self, name: str) -> None:
        self._counters.add(name)

    def counts(self) -> dict[str, int]:
        return sum_counts(self._folder)


def _identity(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_mtime_ns, found.st_size


def get_board() -> RouteBoard:
    """This process's own: neither connections nor counts survive a fork."""
    return _board(os.getpid())


@lru_cache(maxsize=2)
def _board(pid: int) -> RouteBoard:
    conf = capture_settings()
    if not conf.redis_url:
        return FileBoard(conf.data_dir)
    from capture_app.routing.redis_board import RedisBoard  # the client costs a start-up that most have no use for

    return RedisBoard(conf.redis_url, conf.redis_stream)


def _forget_board(*, setting: str, **kwargs: object) -> None:
    if setting == SETTING:
        _board.cache_clear()


setting_changed.connect(_forget_board, dispatch_uid="capture_app.routing.board")
