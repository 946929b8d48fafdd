"""Which blobs were removed on purpose, until shipping has told the copy elsewhere.

As removed_chunks has it for chunks: a blob never leaves the copy only because it is not here. The notes lie among the
blobs and come and go with them, so while their disk is not mounted nothing is on record. They are never in memory.
"""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock

from capture_app.blobs import FOLDER
from capture_app.files import fsync_directory, fsync_file
from training_archive.shipping.blob_lists import BlobEntry, BlobListing, in_either, only_in_first

_NAME: Final = ".removed.txt"  # in the folder of the blobs: a listing, all sizes 0


def note_removed_blobs(data_dir: Path, hashes: Iterable[str]) -> None:
    """Remember that these blobs were removed on purpose."""
    entries = [BlobEntry(sha256, 0) for sha256 in sorted(hashes)]
    if entries:
        with _locked(data_dir):
            _write(data_dir, in_either(_noted(data_dir), entries))


def removed_blobs(data_dir: Path, path: Path) -> BlobListing:
    """What is noted now, copied into the new file `path`."""
    try:
        shutil.copyfile(_path(data_dir), path)
    except FileNotFoundError:
        return BlobListing()
    return BlobListing(path)


def forget_noted_blobs(data_dir: Path, told: Iterable[BlobEntry]) -> None:
    """The copy elsewhere has lost these, too; they are in ascending order."""
    if _path(data_dir).exists():
        with _locked(data_dir):
            _write(data_dir, only_in_first(_noted(data_dir), told))


def _path(data_dir: Path) -> Path:
    return data_dir / FOLDER / _NAME


def _noted(data_dir: Path) -> BlobListing:
    path = _path(data_dir)
    return BlobListing(path if path.exists() else None)


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    """A sweep and a ship hold no lock in common, and may work at once."""
    with FileLock(data_dir / FOLDER / ".removed.lock"):
        yield


def _write(data_dir: Path, entries: Iterable[BlobEntry]) -> None:
    path = _path(data_dir)
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("wb") as file:
        file.writelines(entry.line for entry in entries)
    if temporary.stat().st_size:
        fsync_file(temporary)
        temporary.replace(path)
    else:
        temporary.unlink()
        path.unlink(missing_ok=True)
    fsync_directory(path.parent)
