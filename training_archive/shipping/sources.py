"""What is to be shipped: files that are read through one descriptor each, whatever happens to their names meanwhile."""

import hashlib
import os
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader, RawIOBase
from typing import Any, BinaryIO, Final, Self

from capture_app.progress import Progress, silent

BLOCK: Final = 2**20  # bytes read at once


@dataclass(frozen=True, slots=True)
class Source:
    """An open file. Nobody writes into it: ZIPs and blobs are replaced by rename, never edited."""

    name: str  # of its object in the storage
    descriptor: int

    @property
    def size(self) -> int:
        return os.fstat(self.descriptor).st_size

    @property
    def version(self) -> tuple[int, int, int]:
        """The same as long as the content is: size, time of change (ns), and inode."""
        found = os.fstat(self.descriptor)
        return found.st_size, found.st_mtime_ns, found.st_ino

    def read(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset` on, less only at the end. The descriptor's position is nobody's business."""
        blocks = []
        while length > 0 and (block := os.pread(self.descriptor, length, offset)):
            blocks.append(block)
            offset, length = offset + len(block), length - len(block)
        return b"".join(blocks)

    def blocks(self, offset: int = 0, length: int = BLOCK) -> Iterator[bytes]:
        while block := self.read(offset, length):
            yield block
            offset += len(block)

    def as_file(self) -> BinaryIO:
        """For those who want a file. Its position is its own."""
        return BufferedReader(_Reader(self), BLOCK)


class _Reader(RawIOBase):
    def __init__(self, source: Source) -> None:
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._source.size}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        block = self._source.read(self._position, len(buffer))
        buffer[: len(block)] = block
        self._position += len(block)
        return len(block)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What identifies a content. S3 knows an object that came in parts by hashes over the hashes of its parts."""

    size: int  # bytes
    sha256: str  # hex
    part_size: int | None = None  # bytes; None: in no parts, and the following two are ""
    parts_sha256: str = ""  # base64 of the SHA-256 over the parts' SHA-256, as ChecksumSHA256 has it
    etag: str = ""  # hex MD5 over the parts' MD5, "-" and their number

    @classmethod
    def of(cls, source: Source, part_size: int | None = None, progress: Progress = silent) -> Self:
        """Read the whole source. `part_size` is in bytes."""
        whole, hashes, sums, done = hashlib.sha256(), [], [], 0
        for part in source.blocks(length=part_size or BLOCK):
            whole.update(part)
            done += len(part)
            progress(f"hashing {source.name}", done, source.size)
            if part_size:
                hashes.append(hashlib.sha256(part).digest())
                sums.append(hashlib.md5(part, usedforsecurity=False).digest())
        facts = {} if part_size is None else {"parts_sha256": _base64(hashes), "etag": _etag(sums)}
        return cls(size=done, sha256=whole.hexdigest(), part_size=part_size, **facts)

    @classmethod
    def remembered(cls, values: Any, part_size: int | None) -> Self | None:
        """The fingerprint out of a note that was kept as JSON; None when the note has another form, or other parts."""
        if not isinstance(values, Mapping) or set(values) != set(cls.__dataclass_fields__):
            return None
        return cls(**values) if values["part_size"] == part_size else None


def _base64(hashes: list[bytes]) -> str:
    return b64encode(hashlib.sha256(b"".join(hashes)).digest()).decode()


def _etag(sums: list[bytes]) -> str:
    return f"{hashlib.md5(b''.join(sums), usedforsecurity=False).hexdigest()}-{len(sums)}"
