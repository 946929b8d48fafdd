"""Which blobs there are, as a list that is never in memory: sorted lines in a file, two of which are compared in step.

A blob's name is its content's SHA-256, so two blobs of one name are the same blob.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple, TypeVar

from capture_app.blobs import FOLDER
from training_archive.shipping.exceptions import ManifestRefused
from training_archive.shipping.manifest import Names, ShippedBlobs, ShippedObject

_Item = TypeVar("_Item")

_LINE = re.compile(rb"([0-9a-f]{64}) ([0-9]{1,15})\n")
_NAME = re.compile(r"[0-9a-f]{64}", re.ASCII)
_DIGITS = "0123456789abcdef"


class BlobEntry(NamedTuple):
    """A line of a listing."""

    sha256: str  # hex
    size: int  # bytes

    @property
    def line(self) -> bytes:
        return b"%b %d\n" % (self.sha256.encode(), self.size)


@dataclass(frozen=True, slots=True)
class BlobListing:
    """A listing in a file of this host, or an empty one."""

    path: Path | None = None

    def __iter__(self) -> Iterator[BlobEntry]:
        """Raises ManifestRefused for a line that is none of ours, or out of order."""
        if self.path is None:
            return
        last = ""
        with self.path.open("rb") as file:
            while line := file.readline(100):
                matched = _LINE.fullmatch(line)
                if matched is None or (sha256 := matched[1].decode()) <= last:
                    raise ManifestRefused(
                        f"The listing of blobs is refused: {line!r} is no line of one, or not in order. Nothing here "
                        "was changed. Ship the archive again, or look who else writes there."
                    )
                yield BlobEntry(sha256, int(matched[2]))
                last = sha256


def blobs_in(data_dir: Path) -> Iterator[BlobEntry]:
    """The blobs of a data directory, in ascending order."""
    for prefix in (first + second for first in _DIGITS for second in _DIGITS):
        folder = data_dir / FOLDER / prefix
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                if _NAME.fullmatch(path.name) and path.name.startswith(prefix) and path.is_file():
                    yield BlobEntry(path.name, path.stat().st_size)


def write_listing(entries: Iterable[BlobEntry], path: Path, names: Names) -> ShippedBlobs:
    """Write the entries, which are in ascending order, into the new file `path`; how the manifest describes them."""
    count = total = size = 0
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for entry in entries:
            line = entry.line
            file.write(line)
            digest.update(line)
            count, total, size = count + 1, total + entry.size, size + len(line)
    sha256 = digest.hexdigest()
    listing = ShippedObject(name=names.listing(sha256), size=size, sha256=sha256) if count else None
    return ShippedBlobs(count=count, bytes=total, listing=listing)


def paired(first: Iterable[BlobEntry], second: Iterable[BlobEntry]) -> Iterator[tuple[BlobEntry, BlobEntry | None]]:
    """Each entry of the first, with that of the same blob in the second. Both are read once, in step."""
    others = iter(second)
    other = next(others, None)
    for entry in first:
        while other is not None and other.sha256 < entry.sha256:
            other = next(others, None)
        yield entry, other if other is not None and other.sha256 == entry.sha256 else None


def only_in_first(first: Iterable[BlobEntry], second: Iterable[BlobEntry]) -> Iterator[BlobEntry]:
    return (entry for entry, other in paired(first, second) if other is None)


def in_either(first: Iterable[BlobEntry], second: Iterable[BlobEntry]) -> Iterator[BlobEntry]:
    """Each blob of the two once."""
    return (next(same) for _, same in groupby(merge(first, second), key=attrgetter("sha256")))


def in_batches(entries: Iterable[_Item], size: int = 256) -> Iterator[list[_Item]]:
    remaining = iter(entries)
    while batch := list(islice(remaining, size)):
        yield batch
