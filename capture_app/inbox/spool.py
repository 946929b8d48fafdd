"""The spool: an inbox of append-only files beside the live database. It needs no server, no thread, no exit hook.

A writer owns its segment: one file per process and concurrent thread, opened at the first record. Each record is one
write of one line on an O_APPEND descriptor, done under the segment's own flock. The drain takes that flock for the
moment in which it seals the segment: it appends an empty line and renames the file. The writer finds the segment longer
than it left it, and opens another. So no writer ever waits for another writer, for a drain or for an archive run, and a
fork starts with no segment of its own.
"""

import fcntl
import os
import time
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from capture_app.blobs import Blob, store_blobs
from capture_app.conf import CaptureSettings
from capture_app.exceptions import InboxError
from capture_app.files import file_size, fsync_directory, write_atomically
from capture_app.inbox.base import Batch, Inbox, InboxDepth

FOLDER: Final = "spool"
_OPEN: Final = ".open.jsonl"
_SEALED: Final = ".sealed.jsonl"
_TAKEN: Final = ".taken.jsonl"  # sealed, and claimed by a drain that shares this spool with a forwarder

_AGAIN: Final = ".again"  # before the suffix: records that may be stored already, see `take_in`

_STAMP_DIGITS: Final = 20
_READ_BYTES = 2**20
_LOCK_TRIES, _LOCK_WAIT = 50, 0.001  # tries, seconds: a record takes microseconds
_LOOK_INTERVAL = 1.0  # seconds
_ABANDONED_AFTER = 3600  # seconds after which an empty or unfinished segment belongs to a process that died


class SpoolInbox(Inbox):
    """`directory` is made when the first record comes."""

    def __init__(self, directory: Path, *, fsync: bool = False, segment_bytes: int = 16 * 2**20) -> None:
        self.directory = directory
        self._fsync = fsync
        self._segment_bytes = segment_bytes
        self._pool: tuple[int, deque[_Segment]] = (0, deque())

    @classmethod
    def from_settings(cls, conf: CaptureSettings) -> Self:
        return cls(conf.data_dir / FOLDER, fsync=conf.fsync, segment_bytes=conf.segment_bytes)

    def append(self, line: bytes, blobs: Sequence[Blob] = ()) -> None:
        try:
            if blobs:
                store_blobs(self.directory.parent, blobs, fsync=self._fsync)
            segments = self._own_segments()
            while True:
                # Popping is atomic: whoever pops a segment has it for itself. What leaves this loop by an exception
                # drops its segment, and closing that releases its lock.
                try:
                    segment = segments.pop()
                except IndexError:
                    segment = _Segment(self.directory, sync_directory=self._fsync)
                if segment.write(line, limit=self._segment_bytes):
                    break
            if self._fsync:
                os.fdatasync(segment.descriptor)
            segments.append(segment)
            if blobs:  # a sweep that read their times before, and the inbox before this record, has taken them away
                store_blobs(self.directory.parent, blobs, fsync=self._fsync)
        except OSError as error:
            raise InboxError(
                f"A record of {len(line)} bytes could not be written to {self.directory}: {error.strerror}. The call "
                "has its answer and nothing half-written stays; free space or mend the folder, and capture goes on."
            ) from error

    def take_in(self, lines: Iterable[bytes]) -> int:
        """As whole, sealed segments: no drain sees one before all of it is on the disk."""
        count = 0
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _remove_abandoned(self.directory)
            for segment in _in_segments(lines, self._segment_bytes):
                write_atomically(self.directory / (_new_name() + _AGAIN + _SEALED), b"".join(segment))
                count += len(segment)
            fsync_directory(self.directory.parent)
        except OSError as error:
            raise InboxError(
                f"Records could not be written to {self.directory}: {error.strerror}. {count} of them are kept, and "
                "nothing half-written stays. Free space or mend the folder, and do it again: none is stored twice."
            ) from error
        return count

    def _own_segments(self) -> deque["_Segment"]:
        """The idle segments of this process. A forked child must not use its parent's: it shares their locks."""
        pid = os.getpid()
        owner, segments = self._pool
        if owner != pid:
            segments = deque()
            self._pool = (pid, segments)
        return segments

    def leftovers(self) -> list[Batch]:
        return _batches(*self._files(_TAKEN), *self._files(_SEALED))

    def seal(self) -> Iterator[Batch]:
        for path in self._files(_OPEN):
            sealed = _seal(path)
            if sealed is not None:
                yield from _batches(sealed)

    def sealed(self) -> list[Batch]:
        """The leftovers that no drain has taken."""
        return _batches(*self._files(_SEALED))

    def take(self, batch: Batch) -> Batch | None:
        """The batch under a path that only the taker knows; None: somebody else has finished it. Leftovers keep it."""
        taken = batch.path.with_name(batch.name + _TAKEN)
        try:
            batch.path.rename(taken)
        except FileNotFoundError:
            return None
        return replace(batch, path=taken)

    def acknowledge(self, *batches: Batch) -> None:
        for batch in batches:
            batch.path.unlink(missing_ok=True)
        fsync_directory(self.directory)

    def depth(self) -> InboxDepth:
        sizes = {path: file_size(path) for path in self._waiting_files()}
        waiting = [path for path, size in sizes.items() if size]
        return InboxDepth(sum(sizes.values()), min(map(_opened_at, waiting), default=None))

    def count_rows(self) -> int:
        return sum(_count_rows(path) for path in self._waiting_files())

    def _waiting_files(self) -> list[Path]:
        return [path for suffix in (_TAKEN, _SEALED, _OPEN) for path in self._files(suffix)]

    def _files(self, suffix: str) -> list[Path]:
        """Oldest first: names begin with the time at which a segment was opened."""
        return sorted(path for path in self.directory.glob(f"*{suffix}") if path.is_file())


class _Segment:
    """One open file that one thread at a time appends to. The descriptor lives exactly as long as this object."""

    __slots__ = ("_next_look", "_path", "_size", "descriptor")

    descriptor: int

    def __init__(self, directory: Path, *, sync_directory: bool) -> None:
        self._path = directory / (_new_name() + _OPEN)
        self._size = 0
        self._next_look = time.monotonic() + _LOOK_INTERVAL
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            self.descriptor = os.open(self._path, flags, 0o600)
        except FileNotFoundError:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.descriptor = os.open(self._path, flags, 0o600)
        if sync_directory:
            fsync_directory(directory)

    def write(self, line: bytes, *, limit: int) -> bool:
        """Append the whole line, or nothing. False: this segment is full, sealed or gone, so take another."""
        size = self._size
        if (size and size >= limit) or (time.monotonic() > self._next_look and self._is_gone()):
            return False
        fcntl.flock(self.descriptor, fcntl.LOCK_EX)
        try:
            if os.lseek(self.descriptor, 0, os.SEEK_END) != size:
                return False
            written = os.write(self.descriptor, line)
            if written < len(line):  # a disk about to be full takes a part, and refuses the rest
                self._write_rest(line[written:], size)
            self._size = size + len(line)
            return True
        finally:
            fcntl.flock(self.descriptor, fcntl.LOCK_UN)

    def _is_gone(self) -> bool:
        """Whether the folder was moved or removed: the file could be written on all the same, but no drain looks."""
        self._next_look = time.monotonic() + _LOOK_INTERVAL
        return not self._path.exists()

    def _write_rest(self, rest: bytes, size_before: int) -> None:
        try:
            while rest:
                rest = rest[os.write(self.descriptor, rest) :]
        except BaseException:
            os.ftruncate(self.descriptor, size_before)
            raise

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)


def _new_name() -> str:
    """Begins with the time, and repeats in no process of no host."""
    return f"{time.time_ns():0{_STAMP_DIGITS}d}-{os.getpid()}-{uuid.uuid4().hex[:12]}"


def _in_segments(lines: Iterable[bytes], limit: int) -> Iterator[list[bytes]]:
    """The lines in lists of about `limit` bytes."""
    segment: list[bytes] = []
    size = 0
    for line in lines:
        segment.append(line)
        size += len(line)
        if size >= limit:
            yield segment
            segment, size = [], 0
    if segment:
        yield segment


def _remove_abandoned(directory: Path) -> None:
    """What a process left that was killed while it wrote a segment. It takes them in again."""
    for path in directory.glob(f".*{_AGAIN}{_SEALED}.*.tmp"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _ABANDONED_AFTER:
                path.unlink()


def _batches(*paths: Path) -> list[Batch]:
    """Those that are still there: a drain and a forwarder of one host may work on the same spool."""
    found: list[Batch] = []
    for path in paths:
        with suppress(FileNotFoundError):
            name = path.name.removesuffix(_SEALED).removesuffix(_TAKEN)
            found.append(Batch(name, path, path.stat().st_size, may_repeat=name.endswith(_AGAIN)))
    return found


def _seal(path: Path) -> Path | None:
    """Seal the segment, so that its writer leaves it; None when there is nothing in it, or it is in use just now."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if not _lock_soon(descriptor):
            return None
        found = os.fstat(descriptor)
        if found.st_size == 0 and time.time() - found.st_mtime < _ABANDONED_AFTER:
            return None
        # The sign for the writer, and the end of a line that a kill left torn. Readers skip empty lines.
        os.write(descriptor, b"\n")
        sealed = path.with_name(path.name.removesuffix(_OPEN) + _SEALED)
        try:
            path.rename(sealed)
        except FileNotFoundError:  # another has just sealed it; the empty line more is skipped like the first
            return None
        return sealed
    finally:
        os.close(descriptor)


def _lock_soon(descriptor: int) -> bool:
    """Wait out a writer that is in the middle of a record, but not one that was stopped there: the next drain will."""
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(_LOCK_WAIT)
    return False


def _opened_at(path: Path) -> datetime:
    """When the segment was opened, which is when its first record came; its name begins with that."""
    stamp = path.name.partition("-")[0]
    if stamp.isdecimal() and len(stamp) <= _STAMP_DIGITS:
        return datetime.fromtimestamp(int(stamp) / 1e9, UTC)
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)  # somebody put it there by hand


def _count_rows(path: Path) -> int:
    try:
        with path.open("rb", buffering=_READ_BYTES) as file:
            return sum(line != b"\n" for line in file)
    except FileNotFoundError:
        return 0
