"""Chunks that were taken out of their ZIPs, kept for a while, so that the next page from the same chunk is quick.

A file in the folder is named by its SHA-256, comes there in one rename, and was found to be what its sidecar says. It
goes when it was used longest ago and the folder is full, and when no chunk of the archive has that SHA-256 any more:
what is forgotten or pruned must not stay readable here. Whoever changes the archive saves or deletes its records
(ArchivedChunk), and that is heard here; it is checked again at each use, for a run may have been killed before.
"""

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import duckdb
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from filelock import FileLock, Timeout

from capture_app.conf import capture_settings
from capture_app.files import scratch_directory
from console.conf import console_settings
from training_archive.chunks import CHUNK_SUFFIX
from training_archive.cold.ledger import InColdStorage, Ledger
from training_archive.conf import archive_settings
from training_archive.dated_names import archive_zips
from training_archive.exceptions import ArchiveBusy, ArchiveDamaged, ArchiveError
from training_archive.models import ArchivedChunk
from training_archive.zip_archive import extract_checked, find_chunk, open_zip, read_sidecar

FOLDER: Final = "unpacked"  # in the data directory
_MOST_FILES: Final = 200
_PATIENCE: Final = 20.0  # seconds to wait while others unpack
_BEHIND: Final = 365 * 24 * 3600.0  # seconds; what is only passed through counts as used so long ago
_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)

Result = TypeVar("Result")


def read_chunk(record: ArchivedChunk, read: Callable[[Path], Result], *, in_passing: bool = False) -> Result:
    """read(path) of the unpacked chunk; again with one unpacked anew, should the kept file be damaged or gone.

    Raises what `unpacked_chunk` and `read` raise.
    """
    with unpacked_chunk(record, in_passing=in_passing) as path, suppress(ArchiveDamaged, duckdb.Error):
        return read(path)
    discard(record)  # the unpacked file was damaged, or removed just now to make room
    with unpacked_chunk(record, in_passing=in_passing) as path:
        return read(path)


@contextmanager
def unpacked_chunk(record: ArchivedChunk, *, in_passing: bool = False) -> Iterator[Path]:
    """The chunk as a file that can be opened within the block.

    With `in_passing` it is the first to go: who looks through all chunks must not push out those that people look at.

    Raises ArchiveError when it is not in the archive or there is no room for it, ArchiveDamaged when it is not what its
    sidecar says, ArchiveBusy when others have been unpacking for too long.
    """
    drop_stale_chunks()
    with ExitStack() as stack:
        used = time.time() - (_BEHIND if in_passing else 0)
        yield _cached(record.sha256, used) or _unpack(record, used, stack)


def discard(record: ArchivedChunk) -> None:
    """Unpack it anew the next time: the file that is kept cannot be read."""
    with suppress(ValueError):
        _path(record.sha256).unlink(missing_ok=True)


def drop_stale_chunks() -> None:
    """Remove what is no chunk of the archive any more: examples were forgotten, pruned or merged."""
    kept = {path.stem: path for path in _folder().glob(f"*{CHUNK_SUFFIX}")}
    if not kept:
        return
    known = set(ArchivedChunk.objects.filter(sha256__in=list(kept)).values_list("sha256", flat=True))
    for sha256 in kept.keys() - known:
        kept[sha256].unlink(missing_ok=True)


def _drop_when_committed(*, using: str, **kwargs: Any) -> None:
    # Robust: a folder that cannot be read is logged, and must not fail an archive run.
    transaction.on_commit(drop_stale_chunks, using=using, robust=True)


for _signal in (post_save, post_delete):
    _signal.connect(_drop_when_committed, sender=ArchivedChunk, dispatch_uid="console.example_page.chunk_cache")


def _folder() -> Path:
    return capture_settings().data_dir / FOLDER


def _path(sha256: str) -> Path:
    """Raises ValueError for what is no hash: a sidecar from elsewhere may say anything."""
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"{sha256!r} is no SHA-256 in hex.")
    return _folder() / (sha256 + CHUNK_SUFFIX)


def _cached(sha256: str, used: float) -> Path | None:
    with suppress(ValueError, OSError):  # not there; a folder that cannot be used is told by who writes into it
        path = _path(sha256)
        used = max(used, path.stat().st_mtime)
        os.utime(path, (used, used))  # what was used last is the last to go
        return path
    return None


def _unpack(record: ArchivedChunk, used: float, stack: ExitStack) -> Path:
    """Take it out of its ZIP; the file lasts as long as the stack, or longer. One at a time: each needs room."""
    folder = _folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=_PATIENCE):
            found = _cached(record.sha256, used)  # somebody else may have just done it
            if found:
                return found
            scratch = stack.enter_context(scratch_directory(folder))
            path, sha256 = _extract(record, scratch)
            # Where the record lags behind, for a run is at work or was killed, the chunk is not known to be current.
            return _keep(path, sha256, used) if sha256 == record.sha256 else path
    except Timeout as error:
        raise ArchiveBusy(
            f"Other chunks have been unpacked for {_PATIENCE:.0f} seconds. Nothing is lost; open the page again."
        ) from error
    except OSError as error:
        raise ArchiveError(
            f"{record.name} could not be unpacked into {folder}: {error.strerror or error}. It is safe in its ZIP. "
            "Free space or mend the folder, and open the page again."
        ) from error


def _extract(record: ArchivedChunk, scratch: Path) -> tuple[Path, str]:
    """The file, and its SHA-256 by its sidecar: the ZIP is what counts, should the record lag behind."""
    zip_path = archive_settings().zip_path.resolve()
    damaged: ArchiveDamaged | None = None
    for path in sorted(archive_zips(zip_path) or [zip_path], key=lambda path: path.name != record.zip_name):
        try:
            with open_zip(path) as archive:
                member = find_chunk(archive, record.name)
                if member:
                    sidecar = read_sidecar(archive, member)
                    return extract_checked(archive, member, sidecar, scratch), sidecar.sha256
        except ArchiveDamaged as error:  # it may be in another ZIP
            damaged = damaged or error
    _refuse_cold(record, zip_path)
    raise damaged or ArchiveError(
        f"{record.name} is in none of the archive's ZIPs; it was last seen in {record.zip_name}. If a disk is not "
        "mounted, mount it. `manage.py verify_archive` says what else is missing, and `manage.py "
        "rebuild_example_index` takes note of what is gone for good."
    )


def _refuse_cold(record: ArchivedChunk, zip_path: Path) -> None:
    part = Ledger.read(zip_path).part_of(record.name)
    if part:
        raise InColdStorage(
            f"{record.name} was moved to cold storage at {part.moved_at:%Y-%m-%d %H:%M} UTC: it is in {part.name} in "
            f"the storage {part.place.storage!r}. `manage.py fetch_archive --from-cold` brings it back."
        )


def _keep(path: Path, sha256: str, used: float) -> Path:
    limit = console_settings().cache_bytes
    size = path.stat().st_size
    target = _path(sha256)
    if size > limit:
        return path
    _make_room(limit - size)
    os.utime(path, (used, used))
    kept = path.replace(target)
    drop_stale_chunks()  # the archive may have been changed while this was unpacked
    return kept


def _make_room(limit: int) -> None:
    """Remove what was used longest ago, until all have `limit` bytes together at most."""
    found = sorted(((path.stat(), path) for path in _folder().glob(f"*{CHUNK_SUFFIX}")), key=_last_used, reverse=True)
    total = 0
    for number, (facts, path) in enumerate(found, start=1):
        total += facts.st_size
        if total > limit or number >= _MOST_FILES:
            path.unlink(missing_ok=True)


def _last_used(entry: tuple[os.stat_result, Path]) -> int:
    return entry[0].st_mtime_ns
