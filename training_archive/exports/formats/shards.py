"""Records, one line each, into the numbered files of a split.

What is being written has a hidden name; the names that say how many shards there are come at the end.
"""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from capture_app.files import fsync_directory
from training_archive.exports.formats.base import Shard, ShardLimits, ShardWriter

_BLOCK = 2**20  # bytes that are written, and hashed, at once


@dataclass(frozen=True)
class ShardNames:
    """What the files of a split are called: train.jsonl, or train-00000-of-00003.jsonl."""

    folder: Path
    split: str
    suffix: str  # "jsonl"
    always_numbered: bool = False

    def in_progress(self, index: int) -> Path:
        return self.folder / f".{self.split}-{index:05d}.{self.suffix}"

    def finished(self, index: int, count: int) -> Path:
        number = f"-{index:05d}-of-{count:05d}" if count > 1 or self.always_numbered else ""
        return self.folder / f"{self.split}{number}.{self.suffix}"


@dataclass(frozen=True)
class Staged:
    """A shard's lines in a file, and what a conversion of that file needs to know."""

    path: Path
    rows: int
    bytes: int
    sha256: str  # hex
    longest: int  # bytes of the longest line


# Makes the shard's file at the given path out of the staged lines. Without one, these lines are the shard.
Conversion = Callable[[Staged, Path], None]


class LineShardWriter(ShardWriter):
    """Writes lines; begins a new shard when the next line would not fit into the limits."""

    def __init__(
        self,
        names: ShardNames,
        limits: ShardLimits,
        *,
        header: bytes = b"",
        scratch: Path | None = None,
        conversion: Conversion | None = None,
    ) -> None:
        self._names = names
        self._limits = limits
        self._header = header
        self._conversion = conversion
        # Lines that are to be converted wait elsewhere: the export's folder holds the result only.
        self._lines_in = replace(names, folder=scratch, suffix="lines") if conversion and scratch else names
        self._file: _LineFile | None = None
        self._done: list[Shard] = []
        self._is_closed = False

    def write(self, record: bytes) -> None:
        file = self._file
        if file is None or self._is_full(file, len(record)):
            file = self._next_file()
        file.write(record)

    def _is_full(self, file: "_LineFile", length: int) -> bool:
        rows, size = self._limits.rows, self._limits.bytes
        return (rows is not None and file.rows >= rows) or (size is not None and file.bytes + length > size)

    def _next_file(self) -> "_LineFile":
        self._finish_file()
        self._file = _LineFile(self._lines_in.in_progress(len(self._done)), self._header)
        return self._file

    def _finish_file(self) -> None:
        if self._file is None:
            return
        staged = self._file.close(durable=self._conversion is None)
        path = self._names.in_progress(len(self._done))
        if self._conversion is None:
            shard = Shard(path, staged.rows, staged.bytes, staged.sha256)
        else:
            shard = _converted(self._conversion, staged, path)
        self._done.append(shard)
        self._file = None

    def close(self) -> list[Shard]:
        self._finish_file()
        for index, shard in enumerate(self._done):
            path = self._names.finished(index, len(self._done))
            shard.path.rename(path)
            self._done[index] = replace(shard, path=path)
        fsync_directory(self._names.folder)
        self._is_closed = True
        return self._done

    def discard(self) -> None:
        if self._is_closed:
            return
        if self._file is not None:
            self._file.discard()
            self._names.in_progress(len(self._done)).unlink(missing_ok=True)  # half converted
        for shard in self._done:
            shard.path.unlink(missing_ok=True)


class _LineFile:
    """A file of lines that nobody else may read, hashed while it is written."""

    def __init__(self, path: Path, header: bytes) -> None:
        self._path = path
        self._file: BinaryIO = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)
        self._hash = hashlib.sha256()
        self._lines = [header] if header else []
        self._waiting = len(header)
        self.rows = 0
        self.bytes = len(header)
        self._longest = 0

    def write(self, line: bytes) -> None:
        length = len(line)
        self._lines.append(line)
        self._waiting += length
        self.rows += 1
        self.bytes += length
        if length > self._longest:
            self._longest = length
        if self._waiting >= _BLOCK:
            self._flush()

    def _flush(self) -> None:
        block = memoryview(b"".join(self._lines))
        self._lines, self._waiting = [], 0
        self._hash.update(block)
        while block:  # an unbuffered write may take a part only
            block = block[self._file.write(block) :]

    def close(self, *, durable: bool) -> Staged:
        self._flush()
        if durable:
            os.fsync(self._file.fileno())
        self._file.close()
        return Staged(self._path, self.rows, self.bytes, self._hash.hexdigest(), self._longest)

    def discard(self) -> None:
        with suppress(OSError):  # a full disk may refuse even this, and what was written goes anyway
            self._file.close()
        self._path.unlink(missing_ok=True)


def _converted(conversion: Conversion, staged: Staged, path: Path) -> Shard:
    conversion(staged, path)
    staged.path.unlink()
    path.chmod(0o600)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    return Shard(path, staged.rows, path.stat().st_size, digest)
