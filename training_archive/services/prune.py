"""Chunks that have become too old are removed, whole."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from capture_app.conf import capture_settings
from capture_app.files import scratch_directory
from capture_app.models import ExampleIndex
from capture_app.progress import Progress, silent
from training_archive.archive_set import archive_zips, read_sidecars
from training_archive.blob_sweep import mark_blobs, sweep_marked_blobs
from training_archive.chunks import Sidecar
from training_archive.conf import archive_settings
from training_archive.erasing import blobs_of_chunks
from training_archive.exceptions import ArchiveError
from training_archive.locks import only_run
from training_archive.records import remember_archive
from training_archive.sealed import sealed_folder
from training_archive.zip_writer import rewrite_zip

logger = logging.getLogger("training_archive")


@dataclass(frozen=True, slots=True, kw_only=True)
class OldChunk:
    """A chunk all of whose examples are too old."""

    zip_name: str
    chunk: str
    rows: int
    size: int  # bytes
    last_created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneReport:
    """What was removed, or would be."""

    zip_path: Path
    before: datetime  # examples from before this are too old; aware
    chunks: list[OldChunk]
    kept_chunks: int
    blobs: int  # removed with them
    dry_run: bool

    @property
    def rows(self) -> int:
        return sum(chunk.rows for chunk in self.chunks)


def prune_archive(
    *, older_than: timedelta, dry_run: bool, zip_path: Path | None = None, progress: Progress = silent
) -> PruneReport:
    """Remove the chunks whose youngest example is older than this, from the ZIPs, the index, and with their blobs.

    A chunk that also holds younger examples stays whole. Interrupted, run it again: it finishes.

    Raises ArchiveBusy while another run works, ArchiveError or ArchiveDamaged when a ZIP cannot be read or written.
    """
    conf = archive_settings()
    zip_path = (zip_path or conf.zip_path).resolve()
    before = datetime.now(UTC) - older_than
    with only_run(sealed_folder(), zip_path):
        paths = archive_zips(zip_path)
        if not paths:
            raise ArchiveError(f"There is no archive at {zip_path}. Nothing was changed; check --zip-path.")
        sidecars = {path: read_sidecars(path) for path in paths}
        old = {path: [sidecar for sidecar in found if _youngest(sidecar) < before] for path, found in sidecars.items()}
        blobs = 0
        if not dry_run:
            _remove(old, conf.compresslevel, progress)
            remember_archive(zip_path)
            blobs = sweep_marked_blobs(zip_path, progress)
    report = PruneReport(
        zip_path=zip_path,
        before=before,
        chunks=list(_described(old)),
        kept_chunks=sum(map(len, sidecars.values())) - sum(map(len, old.values())),
        blobs=blobs,
        dry_run=dry_run,
    )
    if report.chunks and not dry_run:
        logger.info("Pruned %d chunks with %d examples.", len(report.chunks), report.rows)
    return report


def _youngest(sidecar: Sidecar) -> datetime:
    return datetime.fromisoformat(sidecar.last_created_at or sidecar.created_at)


def _described(old: dict[Path, list[Sidecar]]) -> Iterator[OldChunk]:
    for path, sidecars in old.items():
        for sidecar in sidecars:
            yield OldChunk(
                zip_name=path.name,
                chunk=sidecar.chunk,
                rows=sidecar.rows,
                size=sidecar.size,
                last_created_at=_youngest(sidecar).isoformat(),
            )


def _remove(old: dict[Path, list[Sidecar]], compresslevel: int, progress: Progress) -> None:
    """The index first: were the ZIP first, a kill in between would leave rows that lead nowhere for ever."""
    for path, sidecars in old.items():
        names = [sidecar.chunk for sidecar in sidecars]
        if not names:
            continue
        with scratch_directory(capture_settings().data_dir) as scratch:
            mark_blobs(blobs_of_chunks(path, names, scratch, progress))
        for generation in [generation for sidecar in sidecars for generation in sidecar.generations]:
            ExampleIndex.objects.filter(generation=generation).delete()
        rewrite_zip(path, without=names, compresslevel=compresslevel, progress=progress)
