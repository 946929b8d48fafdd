"""What a training host has of the archive: which ZIPs, whether fetching may replace them, and what it fetched last.

Fetching replaces and removes only what came from the storage. A ZIP that holds a chunk which neither the manifest nor
the one before it names was written here, and is left alone.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from capture_app.files import write_atomically
from capture_app.progress import Progress
from capture_app.wording import counted
from training_archive.dated_names import archive_zips
from training_archive.exceptions import ArchiveDamaged, ArchiveError
from training_archive.shipping.blob_shipping import opened
from training_archive.shipping.exceptions import ShippingError
from training_archive.shipping.manifest import Manifest
from training_archive.shipping.sources import Fingerprint
from training_archive.zip_archive import list_chunks, open_zip


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What was fetched into a folder, kept beside it."""

    zips: Mapping[str, str] = field(default_factory=dict)  # name -> SHA-256 of those that were looked through
    chunks: frozenset[str] = frozenset()  # that may be in the ZIPs here

    @classmethod
    def read(cls, zip_path: Path) -> Self:
        """The empty one when there is none, or none that can be read: then what is here must prove itself."""
        try:
            values: Any = json.loads(_note_path(zip_path).read_bytes())
            return cls(zips=dict(values["zips"]), chunks=frozenset(values["chunks"]))
        except (FileNotFoundError, KeyError, TypeError, ValueError):
            return cls()

    def write(self, zip_path: Path) -> None:
        values = {"zips": dict(self.zips), "chunks": sorted(self.chunks)}
        write_atomically(_note_path(zip_path), json.dumps(values).encode())


def _note_path(zip_path: Path) -> Path:
    return zip_path.with_name(f".{zip_path.name}.fetched.json")


def listing_path(zip_path: Path) -> Path:
    """Where the listing of the blobs that were fetched last is kept."""
    return zip_path.with_name(f".{zip_path.name}.fetched-blobs.txt")


def chunks_of(manifest: Manifest) -> frozenset[str]:
    return frozenset(chunk for file in manifest.files for chunk in file.chunks)


class LocalZips:
    """The ZIPs of the set that are here, by content. Each version of a file is read once."""

    def __init__(self, zip_path: Path, progress: Progress) -> None:
        self._zip_path = zip_path
        self._progress = progress
        self._hashes: dict[tuple[int, int, int], str] = {}

    def by_name(self) -> dict[str, str]:
        """SHA-256 by name, the oldest first."""
        return {path.name: self._sha256(path) for path in archive_zips(self._zip_path)}

    def _sha256(self, path: Path) -> str:
        with opened(path, path.name) as source:
            if source.version not in self._hashes:
                self._hashes[source.version] = Fingerprint.of(source, progress=self._progress).sha256
            return self._hashes[source.version]


def own_chunks(path: Path, fetched: Fetched, named: Iterable[str]) -> str:
    """Why fetching must leave this ZIP alone: what it holds that did not come from there; "" when it may go."""
    try:
        with open_zip(path) as archive:
            foreign = {member.name for member in list_chunks(archive)} - fetched.chunks - set(named)
    except ArchiveDamaged:
        return "" if path.name in fetched.zips else "it cannot be read, and was not fetched"
    return f"it holds {min(foreign)}, which was not fetched" if foreign else ""


def refuse_to_replace(path: Path, reason: str) -> None:
    if reason:
        raise ShippingError(
            f"{path} would be replaced, but {reason}. Nothing was changed. Move it elsewhere, or fetch into another "
            "folder with --to."
        )


def refuse_losses(paths: Iterable[Path], fetched: Fetched, manifest: Manifest) -> None:
    """These ZIPs are to be replaced or removed. Raises ShippingError when fetched chunks would go that nobody removed.

    A chunk that was merged, pruned or forgotten where it came from is among those that the manifest calls gone.
    """
    lost = sorted((_chunks_here(paths) & fetched.chunks) - chunks_of(manifest) - manifest.gone)
    if lost:
        raise ShippingError(
            f"{counted(len(lost), 'chunk')} that came from the storage, {lost[0]} among them, would be lost here: no "
            "longer in what was shipped, which does not say that they were merged, pruned or forgotten. Nothing was "
            "changed. See whether the archive is whole where it comes from, or fetch into another folder with --to; if "
            "they are to go here too, say --allow-loss."
        )


def _chunks_here(paths: Iterable[Path]) -> set[str]:
    """Out of a ZIP that cannot be read nothing can be lost any more."""
    found: set[str] = set()
    for path in paths:
        with suppress(ArchiveDamaged), open_zip(path) as archive:
            found.update(member.name for member in list_chunks(archive))
    return found


def common_length(path: Path, chunks: Sequence[str]) -> int:
    """How many bytes of the ZIP will be those of the one with these chunks, should that be what appends made of it."""
    try:
        with open_zip(path) as archive:
            here = [member.name for member in list_chunks(archive)]
            return archive.start_dir if here == list(chunks[: len(here)]) else 0
    except ArchiveError:  # it is missing, or unreadable
        return 0
