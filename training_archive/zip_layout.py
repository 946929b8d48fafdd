"""The bytes of a ZIP that zipfile takes on trust, read for themselves: its end, the head of each member, its stream.

What two readers could understand in two ways is refused here: a directory that is not where the end says, a head that
says something else than the directory, a stream that is longer or shorter than both. Nothing is ever inflated beyond
what is asked for, so that memory stays at a few megabytes whatever the ZIP claims. Format: PKWARE's APPNOTE 6.3.10.
"""

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Final

MOST_MEMBERS: Final = 100_000  # an archive run each hour for five years, twice over
LARGEST_DIRECTORY: Final = 2**26  # bytes; ours have some 110 per member

HEAD_SIGNATURE: Final = b"PK\x03\x04"
METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others inflate without any bound

_END_SIGNATURE: Final = b"PK\x05\x06"
_END: Final = struct.Struct("<4s4H2LH")
_LONGEST_COMMENT: Final = 2**16 - 1
_END64_SIGNATURE: Final = b"PK\x06\x06"
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_SIGNATURE: Final = b"PK\x06\x07"
_LOCATOR: Final = struct.Struct("<4sLQL")
_HEAD: Final = struct.Struct("<4s5H3L2H")
HEAD_BYTES: Final = _HEAD.size  # without the name
_ZIP64_EXTRA: Final = 1
_FULL_16, _FULL_32 = 2**16 - 1, 2**32 - 1  # "see the 64 bit record"

ENCRYPTED: Final = 0x1 | 0x40 | 0x2000  # the old way, the strong one, and with hidden heads
_SIZES_AFTERWARDS: Final = 0x8  # CRC and sizes follow the data
_UTF8: Final = 0x800

_LARGEST_FILE: Final = 2**62  # bytes; a place in a file must fit into 63 bits
_READ_BYTES: Final = 2**16
INFLATED_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class Directory:
    """Where the end of a ZIP says that its directory is."""

    offset: int
    size: int  # bytes
    members: int


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before a member's data."""

    name: str
    flags: int
    method: int
    date_time: tuple[int, int, int, int, int, int]
    crc: int
    compress_size: int
    size: int
    start: int  # of the data, from the beginning of the file

    @property
    def sizes_follow(self) -> bool:
        """CRC and sizes stand after the data; those here mean nothing."""
        return bool(self.flags & _SIZES_AFTERWARDS)

    def differs_from(self, info: zipfile.ZipInfo) -> str:
        """In what it is not as the directory has it; "" when they agree."""
        facts = [("name", self.name, info.orig_filename), ("method", self.method, info.compress_type)]
        if not self.sizes_follow:
            facts += [
                ("CRC", self.crc, info.CRC),
                ("compressed size", self.compress_size, info.compress_size),
                ("size", self.size, info.file_size),
            ]
        return ", ".join(name for name, here, there in facts if here != there)


def read_directory(file: IO[bytes]) -> Directory:
    """What the end of the ZIP says. BadZipFile unless there is one end, at the end, with the directory before it."""
    size = os.fstat(file.fileno()).st_size
    place, record = _find_end(file, size)
    _, disk, first_disk, here, members, directory_size, offset, _ = record
    if disk or first_disk or here != members:
        raise zipfile.BadZipFile("it is one part of several.")
    directory = Directory(offset, directory_size, members)
    end = place
    if place >= _LOCATOR.size and _at(file, place - _LOCATOR.size, 4) == _LOCATOR_SIGNATURE:
        end, directory = _read_end64(file, place - _LOCATOR.size, directory)
    if directory.offset + directory.size != end:
        raise zipfile.BadZipFile("its directory is not where its end says; it was cut, or something was put before it.")
    if directory.members > MOST_MEMBERS or directory.size > LARGEST_DIRECTORY:
        raise zipfile.BadZipFile(
            f"it claims {directory.members} members in a directory of {directory.size} bytes; no archive has so many."
        )
    return directory


def _find_end(file: IO[bytes], size: int) -> tuple[int, tuple[bytes, int, int, int, int, int, int, int]]:
    """The one place at which an end record reaches, with its comment, exactly to the end of the file."""
    tail_start = max(0, size - _END.size - _LONGEST_COMMENT)
    tail = _at(file, tail_start, size - tail_start)
    found = []
    place = tail.find(_END_SIGNATURE)
    while 0 <= place <= len(tail) - _END.size:
        record = _END.unpack_from(tail, place)
        if place + _END.size + record[-1] == len(tail):
            found.append((tail_start + place, record))
        place = tail.find(_END_SIGNATURE, place + 1)
    if len(found) != 1:
        raise zipfile.BadZipFile("it has two ends." if found else "its end is missing; it was cut off, or is no ZIP.")
    return found[0]


def _read_end64(file: IO[bytes], locator_place: int, short: Directory) -> tuple[int, Directory]:
    """Where the 64 bit end begins, and what it says; it must not say something else than the short one."""
    _, disk, place, disks = _LOCATOR.unpack(_at(file, locator_place, _LOCATOR.size))
    content = _at(file, place, _END64.size)
    if place + _END64.size != locator_place or content[:4] != _END64_SIGNATURE or disk or disks > 1:
        raise zipfile.BadZipFile("its 64 bit end is not where it should be.")
    _, length, _, _, disk, first_disk, here, members, size, offset = _END64.unpack(content)
    agree = all(
        said in (full, meant)
        for said, full, meant in (
            (short.members, _FULL_16, members),
            (short.size, _FULL_32, size),
            (short.offset, _FULL_32, offset),
        )
    )
    if length != _END64.size - 12 or disk or first_disk or here != members or not agree:
        raise zipfile.BadZipFile("its two ends contradict each other.")
    return place, Directory(offset, size, members)


def read_head(file: IO[bytes], offset: int) -> Head:
    """The head at `offset`. BadZipFile when there is none that can be understood."""
    fixed = _at(file, offset, _HEAD.size)
    if len(fixed) < _HEAD.size or not fixed.startswith(HEAD_SIGNATURE):
        raise zipfile.BadZipFile("there is no member where the directory says.")
    _, _, flags, method, time, date, crc, compress_size, size, name_length, extra_length = _HEAD.unpack(fixed)
    rest = _at(file, offset + _HEAD.size, name_length + extra_length)
    if len(rest) < name_length + extra_length:
        raise zipfile.BadZipFile("it is cut off in the head of a member.")
    size, compress_size = _sizes(rest[name_length:], size, compress_size)
    return Head(
        name=_decoded(rest[:name_length], flags),
        flags=flags,
        method=method,
        date_time=_date_time(date, time),
        crc=crc,
        compress_size=compress_size,
        size=size,
        start=offset + _HEAD.size + len(rest),
    )


def _decoded(name: bytes, flags: int) -> str:
    try:
        return name.decode("utf-8" if flags & _UTF8 else "cp437")
    except UnicodeDecodeError as error:
        raise zipfile.BadZipFile("the name of a member is no text.") from error


def _sizes(extra: bytes, size: int, compress_size: int) -> tuple[int, int]:
    """The sizes of a head, from its 64 bit extra field where they are too large for the head itself."""
    long = [size == _FULL_32, compress_size == _FULL_32]
    place = 0
    while any(long) and place + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, place)
        if kind == _ZIP64_EXTRA and length >= 8 * sum(long) and place + 4 + length <= len(extra):
            values = list(struct.unpack_from(f"<{sum(long)}Q", extra, place + 4))
            return (values.pop(0) if long[0] else size), (values.pop(0) if long[1] else compress_size)
        place += 4 + length
    return size, compress_size


def _date_time(date: int, time: int) -> tuple[int, int, int, int, int, int]:
    """MS-DOS's two words as zipfile has them; a date that there is not is the first that there is."""
    year, month, day = (date >> 9) + 1980, date >> 5 & 15, date & 31
    if not 1 <= month <= 12 or not day:
        return 1980, 1, 1, 0, 0, 0
    return year, month, day, time >> 11, time >> 5 & 63, time << 1 & 63


class Stream:
    """A member's data, inflated block by block; `consumed` is how many compressed bytes that took.

    Iterating raises zlib.error or BadZipFile where the stream is damaged, after what was readable. With `size` None its
    end is found by inflating.
    """

    def __init__(self, file: IO[bytes], start: int, size: int | None, method: int) -> None:
        if method not in METHODS or (size is None and method != zipfile.ZIP_DEFLATED):
            raise zipfile.BadZipFile(f"it is compressed in a way that is not read (method {method}).")
        self._descriptor, self._start, self._method = file.fileno(), start, method
        self._size = size if size is not None else os.fstat(self._descriptor).st_size - start
        self._whole = size is not None
        self.consumed = 0

    def __iter__(self) -> Iterator[bytes]:
        return self._stored() if self._method == zipfile.ZIP_STORED else self._inflated()

    def _stored(self) -> Iterator[bytes]:
        while block := self._read(INFLATED_BYTES):
            yield block
        if self.consumed < self._size:
            raise zipfile.BadZipFile("it is cut off.")

    def _inflated(self) -> Iterator[bytes]:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        while not inflater.eof:
            data = inflater.unconsumed_tail or self._read(_READ_BYTES)
            block = inflater.decompress(data, INFLATED_BYTES)  # without data: what it has not handed out yet
            if block:
                yield block
            elif not data and not inflater.eof:
                raise zipfile.BadZipFile("its compressed data ends in the middle.")
        self.consumed -= len(inflater.unused_data)
        if self._whole and self.consumed < self._size:
            raise zipfile.BadZipFile("its compressed data goes on after its end.")

    def _read(self, count: int) -> bytes:
        count = min(count, self._size - self.consumed)
        data = os.pread(self._descriptor, count, self._start + self.consumed) if count > 0 else b""
        self.consumed += len(data)
        return data


def _at(file: IO[bytes], offset: int, count: int) -> bytes:
    if not 0 <= offset <= _LARGEST_FILE:
        raise zipfile.BadZipFile("it points beyond every file.")
    return os.pread(file.fileno(), count, offset)
