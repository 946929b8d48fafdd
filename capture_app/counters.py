"""Counts that add up over all processes of a host, the dead ones included.

Each process that counts owns one small file in `metrics/` and writes every new value into it. The file is owned by its
flock, which ends with the process however that dies; the next process to start goes on with the file and its values. So
a sum over the files never falls, and there are never more of them than there were processes at once.

Values go there by `pwrite` and not through a memory map, as prometheus_client has it: on a full disk, or when somebody
cuts the file, a map ends the process with SIGBUS, and a write only fails.
"""

import errno
import fcntl
import logging
import os
import struct
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import count as count_from
from pathlib import Path
from typing import Final

logger = logging.getLogger("capture_app")

FOLDER: Final = "metrics"

_pack_value = struct.Struct("<Q").pack
_RECORD = struct.Struct("<Q120s")  # value, then the name in UTF-8; 32 of them make a block, so none lies across two
# Taken from the disk when the file is made: when it is full, the failures that follow must still be counted.
_ALLOCATED = 4096  # bytes
_RETRY_AFTER = 10.0  # seconds between attempts to get a file


class Counters:
    """What this process counts, by name. No method raises because of a disk or a setting; threads may share it.

    A name has up to 120 bytes of UTF-8. A forked child must start anew: what its parent counted its parent's file has.
    """

    def __init__(self, folder: Callable[[], Path]) -> None:
        self._folder = folder
        self.start_anew()

    def start_anew(self) -> None:
        """Forget what was counted, and let go of the file."""
        # Reentrant, for garbage may be collected during a count: a stream among it is then recorded and counted.
        # A new one, for at a fork another thread may hold the old.
        self._lock = threading.RLock()
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._file: _CountFile | None = None
        self._places: Mapping[str, tuple[int, int]] = {}  # the file's, as long as nothing is wrong with it
        self._descriptor = -1
        self._problem = ""
        self._next_try = 0.0

    def add(self, name: str, number: int = 1) -> None:
        """Count `number` more."""
        with self._lock:
            self._counts[name] = count = self._counts[name] + number
            try:
                place, before = self._places[name]
                os.pwrite(self._descriptor, _pack_value(before + count), place)
            except (KeyError, OSError):  # the first of its name, or something is wrong
                news = self._catch_up()
            else:
                return
        if news:
            logger.warning(news)

    def own(self) -> dict[str, int]:
        """What this process has counted."""
        with self._lock:
            return dict(self._counts)

    def _catch_up(self) -> str:
        """Write all counts; what there is to log about it."""
        problem_before, self._problem, self._places = self._problem, "", {}
        try:
            self._write_all(problem_before)
        except Exception as error:  # a wrong setting or a full disk must not reach the call that is counted
            self._problem = str(error)
        if self._problem and not problem_before:
            return (
                f"Counts cannot be written: {self._problem}. Calls are captured all the same; until this is mended, "
                "/metrics shows too little."
            )
        return "" if self._problem or not problem_before else "Counts are written again, with those of the meantime."

    def _write_all(self, problem_before: str) -> None:
        if problem_before and time.monotonic() < self._next_try:
            raise OSError(problem_before)
        self._next_try = time.monotonic() + _RETRY_AFTER
        if self._file is None:
            self._file = _CountFile(self._folder())
        self._file.write(self._counts)
        self._descriptor, self._places = self._file.descriptor, self._file.places


class _CountFile:
    """One process's file. The descriptor, and with it the lock, lives exactly as long as this object."""

    descriptor: int

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.descriptor = _free_file(folder)
        content = os.pread(self.descriptor, os.fstat(self.descriptor).st_size, 0)
        # Of each name, where its value is in the file, and what it was when this process took the file over.
        self.places = {name: (place, value) for name, value, place in _records(content)}

    def write(self, counts: Mapping[str, int]) -> None:
        """Write what this process has counted, on top of what was there. Raises OSError."""
        for name, count in counts.items():
            place, before = self.places.get(name) or (self._end(), 0)
            record = _RECORD.pack(before + count, name.encode("utf-8", "replace"))
            if os.pwrite(self.descriptor, record, place) < len(record):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.places[name] = place, before

    def _end(self) -> int:
        return max((place + _RECORD.size for place, _ in self.places.values()), default=0)

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)


def sum_counts(folder: Path) -> dict[str, int]:
    """The counts of all processes, living and dead. Takes no lock; raises OSError when a file cannot be read."""
    counts: Counter[str] = Counter()
    for path in folder.glob("*.counts"):
        for name, value, _ in _records(path.read_bytes()):
            counts[name] += value
    return dict(counts)


def _free_file(folder: Path) -> int:
    """The descriptor of the first file that no living process owns, locked; a new file when there is none."""
    for number in count_from(0):
        path = folder / f"{number:04d}.counts"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except PermissionError:
            if path.exists():  # another user's
                continue
            raise
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # a living process's
            os.close(descriptor)
            continue
        with suppress(OSError):  # on a full disk the values stay in memory until there is room
            os.posix_fallocate(descriptor, 0, _ALLOCATED)
        return descriptor
    raise AssertionError  # count_from() has no end


def _records(content: bytes) -> Iterator[tuple[str, int, int]]:
    """Name, value and place of each."""
    for place in range(0, len(content) - _RECORD.size + 1, _RECORD.size):
        value, name = _RECORD.unpack_from(content, place)
        if name[0]:
            yield name.rstrip(b"\0").decode("utf-8", "replace"), value, place
