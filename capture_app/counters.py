"""Counts that add up over all processes of a host, the dead ones included.

Each process that counts owns one small file in `metrics/` and writes every new value into it. The file is owned by its
flock, which ends with the process however that dies; the next process to start goes on with the file and its values. So
a sum over the files never falls, and there are never more of them than there were processes at once.

Values go there by `pwrite` and not through a memory map, as prometheus_client has it: on a full disk, or when somebody
cuts the file, a map ends the process with SIGBUS, and a write only fails.
"""

import fcntl
import logging
import os
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Final

logger = logging.getLogger("capture_app")

FOLDER: Final = "metrics"

_VALUE = struct.Struct("<Q")
_RECORD = struct.Struct("<Q120s")  # value, then the name in UTF-8; 32 of them make a block, so none lies across two
_NAME_BYTES = 120
# Taken from the disk when the file is made: when it is full, the failures that follow must still be counted.
_ALLOCATED = 4096  # bytes
_RETRY_AFTER = 10.0  # seconds between attempts to get a file


class Counters:
    """What this process counts, by name. No method raises because of a disk or a setting; threads may share it.

    A forked child starts from nothing, for what its parent counted is in the parent's file.
    """

    def __init__(self, folder: Callable[[], Path]) -> None:
        self._folder = folder
        self.start_anew()
        os.register_at_fork(after_in_child=self.start_anew)

    def start_anew(self) -> None:
        """Forget what was counted, and let go of the file."""
        # Reentrant: garbage collection may run in the middle of a count and drop a stream, which then counts itself. New:
        # at the fork another thread may have held the old one.
        self._lock = threading.RLock()
        self._counts: Counter[str] = Counter()
        self._file: _CountFile | None = None
        self._next_try = 0.0
        self._problem = ""

    def add(self, name: str) -> None:
        """Count one more."""
        with self._lock:
            self._counts[name] += 1
            try:
                if self._file is not None:
                    self._file.add(name)
                else:
                    self._open()
                problem = ""
            except Exception as error:  # a wrong setting or a full disk must not reach the call that is counted
                problem = str(error)
            changed, self._problem = bool(problem) != bool(self._problem), problem
        if changed:
            self._tell(problem)

    def own(self) -> dict[str, int]:
        """What this process has counted."""
        with self._lock:
            return dict(self._counts)

    def _open(self) -> None:
        if self._problem and time.monotonic() < self._next_try:
            raise OSError(self._problem)
        self._next_try = time.monotonic() + _RETRY_AFTER
        file = _CountFile(self._folder())
        for name, number in self._counts.items():
            file.add(name, number)
        self._file = file

    def _tell(self, problem: str) -> None:
        if problem:
            logger.warning(
                "Counts cannot be written: %s. Calls are captured all the same; until this is mended /metrics shows "
                "too little.",
                problem,
            )
        else:
            logger.info("Counts are written again, with those of the meantime.")


class _CountFile:
    """One process's file. The descriptor, and with it the lock, lives exactly as long as this object."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor = _free_file(folder)
        records = list(_records(os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0)))
        self._values = {name: value for name, value, _ in records}
        self._places = {name: place for name, _, place in records}
        self._end = max(self._places.values(), default=-_RECORD.size) + _RECORD.size
        self._unwritten: set[str] = set()

    def add(self, name: str, number: int = 1) -> None:
        """Raises OSError when the file did not take the new value; the next one that works brings it along."""
        value = self._values[name] = self._values.get(name, 0) + number
        try:
            if name in self._places:
                os.pwrite(self._descriptor, _VALUE.pack(value), self._places[name])
            else:
                self._append(name)
        except OSError:
            self._unwritten.add(name)
            raise
        if self._unwritten:
            self._write_rest()

    def _append(self, name: str) -> None:
        os.pwrite(self._descriptor, _RECORD.pack(self._values[name], _encoded(name)), self._end)
        self._places[name] = self._end
        self._end += _RECORD.size

    def _write_rest(self) -> None:
        late, self._unwritten = self._unwritten, set()
        for name in late:
            self.add(name, 0)

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)


def sum_counts(folder: Path) -> dict[str, int]:
    """The counts of all processes, living and dead. Takes no lock; raises OSError when a file cannot be read."""
    counts: Counter[str] = Counter()
    for path in folder.glob("*.counts"):
        for name, value, _ in _records(path.read_bytes()):
            counts[name] += value
    return dict(counts)


def _free_file(folder: Path) -> int:
    """The descriptor of the first file that no living process owns, locked; a new file when there is none."""
    for number in count():
        path = folder / f"{number:04d}.counts"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except PermissionError:
            if path.exists():  # another user's
                continue
            raise
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.posix_fallocate(descriptor, 0, _ALLOCATED)
            return descriptor
        except BlockingIOError:  # a living process's
            os.close(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
    raise AssertionError  # count() has no end


def _records(content: bytes) -> Iterator[tuple[str, int, int]]:
    """Name, value and place of each."""
    for place in range(0, len(content) - _RECORD.size + 1, _RECORD.size):
        value, name = _RECORD.unpack_from(content, place)
        if name[0]:
            yield name.rstrip(b"\0").decode("utf-8", "replace"), value, place


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "replace")[:_NAME_BYTES]
