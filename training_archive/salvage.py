"""The members of a damaged ZIP, wherever they can still be found.

A ZIP says twice what is in it: in its directory, and in the head before each member. Where both agree, that is taken;
where they do not, or one of them is gone, each is tried, and the checksum decides. Members that only the heads know are
looked for only when the directory cannot be read: what somebody took out of a sound one is not brought back.
"""

import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO, Final

from training_archive.chunks import CHUNK_SUFFIX, SIDECAR_SUFFIX, is_chunk_name
from training_archive.exceptions import ArchiveDamaged
from training_archive.rejoin import Compressed, rejoin
from training_archive.zip_archive import LARGEST_RATIO, SMALL, ZIP_ERRORS, open_zip
from training_archive.zip_layout import ENCRYPTED, HEAD_SIGNATURE, MOST_MEMBERS, Head, Stream, read_directory, read_head

_READ_BYTES: Final = 2**20
_DIRECTORY_SIGNATURE: Final = b"PK\x01\x02"
_SIGNATURES: Final = (HEAD_SIGNATURE, _DIRECTORY_SIGNATURE, b"PK\x07\x08")  # what may stand behind a member's data
_ALWAYS_ALLOWED: Final = 2**28  # bytes that may be inflated of any ZIP, however small
_MOST_SIGNATURES: Final = 10 * MOST_MEMBERS
_LONGEST_DESCRIPTOR: Final = 24  # bytes; what may stand between two members
_NO_METHOD: Final = 100  # the specification numbers the methods below it


@dataclass(frozen=True, slots=True)
class Found:
    """A member as a head or the directory describes it. Whether it is true, reading it will tell."""

    name: str
    offset: int  # of its head
    start: int  # of its data
    method: int
    date_time: tuple[int, int, int, int, int, int]
    compress_size: int | None  # None: only inflating will tell
    size: int | None
    crc: int | None
    encrypted: bool

    def as_info(self) -> zipfile.ZipInfo:
        """For a directory of its own."""
        info = zipfile.ZipInfo(self.name, self.date_time)
        info.compress_type = self.method
        info.CRC, info.compress_size, info.file_size = self.crc or 0, self.compress_size or 0, self.size or 0
        info.external_attr = 0o600 << 16
        return info


@dataclass(slots=True)
class Allowance:
    """How much may be inflated, so that a ZIP made to be read over and over comes to an end."""

    left: int  # bytes

    @classmethod
    def for_zip(cls, path: Path) -> "Allowance":
        return cls(LARGEST_RATIO * path.stat().st_size + _ALWAYS_ALLOWED)

    def spend(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise zipfile.BadZipFile("the ZIP inflates to more than any archive; the rest of it was not read")


def find_members(path: Path, file: IO[bytes], allowance: Allowance) -> tuple[list[Found], list[str]]:
    """All descriptions of members that the ZIP has, in the order of their places; several may be of one member.

    And which stretches of the file nothing describes, when the directory does not vouch for there being no more.
    """
    try:
        with open_zip(path) as archive:
            found, doubtful = _by_directory(archive, file)
        unknown = []
    except ArchiveDamaged:
        found, doubtful = _by_heads(file, allowance), False
        unknown = _unknown(file, found)
    if doubtful:
        offsets, names = {each.offset for each in found}, {each.name for each in found}
        listed = [each for each in _by_heads(file, allowance) if each.offset in offsets or each.name in names]
        found = list(dict.fromkeys([*listed, *found]))
    return sorted(_one_name_each(found), key=lambda each: each.start), unknown


def _unknown(file: IO[bytes], found: list[Found]) -> list[str]:
    """The stretches between members, and whether the last one is followed by the directory."""
    unknown, end = [], 0
    for each in sorted(found, key=lambda each: each.offset):
        if each.offset > end + _LONGEST_DESCRIPTOR:
            unknown.append(f"bytes {end} to {each.offset} hold nothing that can be recognised")
        end = max(end, each.start + (each.compress_size or 0))
    if not _is_directory_at(file, end, len(found)):
        unknown.append(f"there is no directory from byte {end} on; nothing tells whether more followed")
    return unknown


def _is_directory_at(file: IO[bytes], place: int, members: int) -> bool:
    """Whether a directory begins there, or the end of the ZIP says so and that it lists as many members."""
    behind = os.pread(file.fileno(), _LONGEST_DESCRIPTOR + 4, place) if place < 2**62 else b""
    if _DIRECTORY_SIGNATURE in behind:
        return True
    try:
        directory = read_directory(file)
    except ZIP_ERRORS:
        return False
    return 0 <= directory.offset - place <= _LONGEST_DESCRIPTOR and directory.members == members


def _by_directory(archive: zipfile.ZipFile, file: IO[bytes]) -> tuple[list[Found], bool]:
    """What the directory lists, and whether some head says something else."""
    found, doubtful = [], False
    infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
    nexts = [info.header_offset for info in infos[1:]] + [archive.start_dir]
    for info, end in zip(infos, nexts, strict=True):
        try:
            head = read_head(file, info.header_offset)
        except ZIP_ERRORS:
            head = None
        sound = head is not None and not head.differs_from(info)
        doubtful = doubtful or not sound
        start = head.start if head and sound else min(max(0, end - info.compress_size), archive.start_dir)
        found.append(_described(info, start))
    return found, doubtful


def _described(info: zipfile.ZipInfo, start: int) -> Found:
    return Found(
        name=info.filename,
        offset=info.header_offset,
        start=start,
        method=info.compress_type,
        date_time=info.date_time,
        compress_size=info.compress_size,
        size=info.file_size,
        crc=info.CRC,
        encrypted=bool(info.flag_bits & ENCRYPTED),
    )


def _by_heads(file: IO[bytes], allowance: Allowance) -> list[Found]:
    found: list[Found] = []
    size, resume = os.fstat(file.fileno()).st_size, 0
    for place in islice(_signatures(file), _MOST_SIGNATURES):
        head = _plausible_head(file, place, size) if place >= resume else None
        if head is not None and len(found) < MOST_MEMBERS:
            found.append(_from_head(file, place, head, allowance))
            resume = _behind(file, found[-1])
    return found


def _plausible_head(file: IO[bytes], place: int, size: int) -> Head | None:
    """The head there, unless those four bytes are only part of somebody's data."""
    try:
        head = read_head(file, place)
    except ZIP_ERRORS:
        return None
    return head if head.name and head.method < _NO_METHOD and head.start <= size else None


def _from_head(file: IO[bytes], place: int, head: Head, allowance: Allowance) -> Found:
    described = Found(
        name=head.name,
        offset=place,
        start=head.start,
        method=head.method,
        date_time=head.date_time,
        compress_size=None if head.sizes_follow else head.compress_size,
        size=None if head.sizes_follow else head.size,
        crc=None if head.sizes_follow else head.crc,
        encrypted=bool(head.flags & ENCRYPTED),
    )
    return _measured(file, described, allowance) if head.sizes_follow else described


def _measured(file: IO[bytes], found: Found, allowance: Allowance) -> Found:
    """With the sizes and the CRC that stand behind its data, if its data ends and they are true."""
    size = crc = 0
    try:
        stream = Stream(file, found.start, None, found.method)
        for block in stream:
            size, crc = size + len(block), zlib.crc32(block, crc)
            allowance.spend(len(block))
            if size > LARGEST_RATIO * stream.consumed + SMALL:
                return found
    except ZIP_ERRORS:
        return found
    behind = os.pread(file.fileno(), 8, found.start + stream.consumed).removeprefix(b"PK\x07\x08")
    if int.from_bytes(behind[:4], "little") != crc:
        return found
    return replace(found, compress_size=stream.consumed, size=size, crc=crc)


def _behind(file: IO[bytes], found: Found) -> int:
    """Where to look for the next head: behind the data, when something of a ZIP stands there; else within it."""
    if found.compress_size is not None:
        end = found.start + found.compress_size
        if end < 2**62 and os.pread(file.fileno(), 4, end) in _SIGNATURES:
            return end
    return found.start


def _signatures(file: IO[bytes]) -> Iterator[int]:
    """Where the four bytes stand that begin a head."""
    place, kept = 0, b""
    while read := os.pread(file.fileno(), _READ_BYTES, place):
        window = kept + read
        at = window.find(HEAD_SIGNATURE)
        while at >= 0:
            yield place - len(kept) + at
            at = window.find(HEAD_SIGNATURE, at + 1)
        kept, place = window[-len(HEAD_SIGNATURE) + 1 :], place + len(read)


def _one_name_each(found: Iterable[Found]) -> Iterator[Found]:
    """Where head and directory call one member by two names, the one that goes with another member is right."""
    every = list(found)
    names: dict[int, list[str]] = {}  # by where the head is
    for each in every:
        names.setdefault(each.offset, []).append(each.name)
    partners = {partner(each.name) for each in every}
    for each in every:
        right = max(names[each.offset], key=lambda name: (name in partners, bool(partner(name))))
        yield each if each.name == right else replace(each, name=right)


def partner(name: str) -> str:
    """The sidecar of a chunk, the chunk of a sidecar; "" for anything else."""
    for suffix, other in ((CHUNK_SUFFIX, SIDECAR_SUFFIX), (SIDECAR_SUFFIX, CHUNK_SUFFIX)):
        stem = name.removesuffix(suffix)
        if name.endswith(suffix) and is_chunk_name(stem):
            return stem + other
    return ""


def read_found(file: IO[bytes], found: Found, allowance: Allowance) -> Iterator[bytes]:
    """The content, block by block. Raises one of ZIP_ERRORS unless size and CRC come out as they were described."""
    done = crc = 0
    _refuse(found)
    for block in Stream(file, found.start, found.compress_size, found.method):
        done, crc = done + len(block), zlib.crc32(block, crc)
        allowance.spend(len(block))
        if found.size is not None and done > found.size:
            raise zipfile.BadZipFile(f"it goes on after {found.size} bytes")
        if found.compress_size is None and done > LARGEST_RATIO * os.fstat(file.fileno()).st_size + SMALL:
            raise zipfile.BadZipFile("it inflates like a bomb")
        yield block
    if found.size is None or found.crc is None:
        raise zipfile.BadZipFile("nothing says how long it should be")
    if done != found.size:
        raise zipfile.BadZipFile(f"it ends after {done} of {found.size} bytes")
    if crc != found.crc:
        raise zipfile.BadZipFile("Bad CRC-32")


def _refuse(found: Found) -> None:
    if found.encrypted:
        raise zipfile.BadZipFile("it is encrypted")
    if found.size is not None and found.size > LARGEST_RATIO * (found.compress_size or 0) + SMALL:
        raise zipfile.BadZipFile(f"it claims {found.size} bytes in {found.compress_size}, as a bomb does")


def extract_readable(file: IO[bytes], found: Found, path: Path, allowance: Allowance) -> str:
    """Write what can be read of the member to `path`, each byte at its place; what was wrong, "" when nothing was."""
    try:
        with path.open("wb") as target:
            for block in read_found(file, found, allowance):
                target.write(block)
    except ZIP_ERRORS as error:
        if found.size and found.compress_size and found.method == zipfile.ZIP_DEFLATED and not found.encrypted:
            _rejoin(file, found, found.size, found.compress_size, path)
        return str(error).rstrip(".")
    return ""


def _rejoin(file: IO[bytes], found: Found, size: int, compress_size: int, path: Path) -> None:
    """Inflate behind the damage what can be; what cannot is a hole of zeros."""
    if size > LARGEST_RATIO * compress_size + SMALL:
        return
    with path.open("r+b") as target:
        target.truncate(size)
        rejoin(Compressed(file, found.start, found.start + compress_size, size), target)
