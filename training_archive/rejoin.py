"""A chunk's deflate stream, read on behind a damaged place.

ParallelDeflate writes a stream as blocks of BLOCK bytes, each of which ends at a whole byte with the same four. A fault
spoils the block that it lies in; the next one can be inflated again from its beginning, but for what it refers back to.
How many blocks there are follows from the size, so each is put where it belongs. What is wrong in them nevertheless is
for DuckDB's own checksums to find.
"""

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO, Final

from training_archive.deflate import BLOCK, DICTIONARY

_MARK: Final = b"\x00\x00\xff\xff"  # ends each block but the last
_LONGEST: Final = BLOCK + BLOCK // 8  # bytes; deflate makes nothing longer than that of a block
_FALSE_MARKS: Final = 3  # how many of them within one block are looked behind: each is one chance in 2**32 per byte
_SPARE: Final = 1000  # marks beyond twice the blocks; where there are more, somebody put them there
_READ_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class Compressed:
    """Where a deflate stream lies in a file, and what it should become."""

    file: IO[bytes]
    start: int
    end: int
    size: int  # bytes, inflated

    @property
    def blocks(self) -> int:
        return self.size // BLOCK + 1  # the last one may be empty


def rejoin(stream: Compressed, target: IO[bytes]) -> None:
    """Write each block that can be inflated to its place in `target`. Memory: a few blocks."""
    outcomes = [content is not None for content in _blocks(stream)]
    for place, content in zip(_places(stream, outcomes), _blocks(stream), strict=True):
        if content is not None and place is not None:
            target.seek(place * BLOCK)
            target.write(content)


def _places(stream: Compressed, outcomes: list[bool]) -> list[int | None]:
    """Which block each outcome is. A gap (False) that may be more than one block leaves what lies between two open."""
    if len(outcomes) == stream.blocks:
        return list(range(stream.blocks))
    places: list[int | None] = [None] * len(outcomes)
    for number, whole in enumerate(outcomes):
        if not whole:
            break
        places[number] = number
    for number, whole in enumerate(reversed(outcomes)):
        if not whole:
            break
        places[-1 - number] = stream.blocks - 1 - number
    return places


def _blocks(stream: Compressed) -> Iterator[bytes | None]:
    """The blocks in order; None once for each stretch that cannot be read."""
    ends = list(islice(_ends(stream), 2 * stream.blocks + _SPARE))
    begin, dictionary, in_gap, number = stream.start, b"", False, 0
    while number < len(ends):
        found = _first_block(stream, begin, ends[number : number + _FALSE_MARKS], dictionary)
        if found is not None:
            skipped, content = found
            yield content
            dictionary, in_gap, number = content[-DICTIONARY:], False, number + skipped
        else:
            if not in_gap:
                yield None
            dictionary, in_gap = bytes(DICTIONARY), True
        begin = ends[number]
        number += 1


def _first_block(stream: Compressed, begin: int, ends: list[int], dictionary: bytes) -> tuple[int, bytes] | None:
    """The block that begins there, after how many false ends."""
    for skipped, end in enumerate(ends):
        content = _block(stream, begin, end, dictionary)
        if content is not None:
            return skipped, content
    return None


def _block(stream: Compressed, begin: int, end: int, dictionary: bytes) -> bytes | None:
    """The block that lies exactly there, or None."""
    if end - begin > _LONGEST:
        return None
    inflater = zlib.decompressobj(-zlib.MAX_WBITS, zdict=dictionary)
    try:
        content = inflater.decompress(os.pread(stream.file.fileno(), end - begin, begin), BLOCK + 1)
    except zlib.error:
        return None
    last = end == stream.end
    expected = stream.size % BLOCK if last else BLOCK
    return content if len(content) == expected and inflater.eof == last else None


def _ends(stream: Compressed) -> Iterator[int]:
    """Where a block may end: behind each mark, and at the end."""
    place, kept = stream.start, b""
    while place < stream.end:
        read = os.pread(stream.file.fileno(), min(_READ_BYTES, stream.end - place), place)
        if not read:
            break
        window = kept + read
        found = window.find(_MARK)
        while found >= 0:
            yield place - len(kept) + found + len(_MARK)
            found = window.find(_MARK, found + 1)
        kept, place = window[-len(_MARK) + 1 :], place + len(read)
    yield stream.end
