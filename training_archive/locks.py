"""One at a time: whatever changes the archive, or must not see it change, holds the same two locks."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from training_archive.chunks import CHUNK_SUFFIX
from training_archive.exceptions import ArchiveBusy, ArchiveError
from training_archive.zip_writer import remove_unfinished


@contextmanager
def only_run(folder: Path, zip_path: Path) -> Iterator[None]:
    """Hold the archive of which `zip_path` is the active ZIP, and the sealed `folder`; ArchiveBusy when they are held.

    Two runs must share neither. What a killed one left unfinished beside the ZIPs is removed.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        zip_path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArchiveError(
            f"{zip_path.parent} cannot hold an archive: {error.strerror}. Nothing was changed."
        ) from error
    with ExitStack() as stack:
        for path in (folder / ".lock", _lock_of(zip_path)):
            _hold(path, stack)
        remove_unfinished(zip_path)
        _remove_stray_notes(folder)
        yield


@contextmanager
def only_run_into(zip_path: Path) -> Iterator[None]:
    """As only_run, for an archive to which no live database belongs, such as a copy."""
    zip_path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        _hold(_lock_of(zip_path), stack)
        remove_unfinished(zip_path)
        yield


def _lock_of(zip_path: Path) -> Path:
    return zip_path.with_name(f".{zip_path.name}.lock")


def _hold(path: Path, stack: ExitStack) -> None:
    try:
        stack.enter_context(FileLock(path, timeout=0))
    except Timeout as error:
        raise ArchiveBusy(
            f"Another run that changes or indexes the archive is at work ({path} is held). Nothing was changed, and "
            "what is captured is safe where it is. Run this again when that has finished."
        ) from error


def _remove_stray_notes(folder: Path) -> None:
    """Notes of killed runs on sealed files that are gone, and notes that were never finished."""
    for note in [*folder.glob("*.target"), *folder.glob(".*.tmp")]:
        if note.name.startswith(".") or not note.with_suffix(CHUNK_SUFFIX).exists():
            note.unlink(missing_ok=True)
