"""Chunks that have become too old are removed, whole."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from capture_app.conf import capture_settings
from capture_app.files import scratch_directory
from capture_app.judgments import erase_judgments_of
from capture_app.models import ExampleIndex
from capture_app.progress import Progress, silent
from capture_app.requeue import alone
from training_archive.archive_set import read_sidecars
from training_archive.blob_sweep import has_marked_blobs, mark_blobs, sweep_marked_blobs
from training_archive.chunks import Sidecar
from training_archive.conf import archive_settings
from training_archive.dated_names import archive_zips
from training_archive.erasing import blobs_of_chunks
from training_archive.exceptions import ArchiveError
from training_archive.locks import only_run
from training_archive.records import known_chunks, remember_change
from training_archive.removed_chunks import removing, settle_removals
from training_archive.sealed import sealed_files, sealed_folder
from training_archive.zip_writer import remove_if_empty, rewrite_zip

logger = logging.getLogger("training_archive")

Found = dict[Path, list[Sidecar]]  # by ZIP


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
    """Remove the chunks whose youngest example is older than this, from the ZIPs and the index, with their blobs
    and judgments.

    A chunk that also holds younger examples stays whole. Interrupted, run it again: it finishes. Index and blobs are
    those of the configured archive: of another one, only what that does not hold leaves the index, and no blob goes.

    Raises ArchiveBusy while another run works, JobBusy while one requeues, ArchiveError or ArchiveDamaged when a ZIP
    cannot be read or written.
    """
    conf = archive_settings()
    zip_path = (zip_path or conf.zip_path).resolve()
    before = _moment_ago(older_than)
    with only_run(sealed_folder(), zip_path), alone():  # what is requeued meanwhile would escape the sweep
        paths = archive_zips(zip_path)
        if not paths and not (known_chunks(zip_path) or has_marked_blobs()):  # else a killed run removed them all
            raise ArchiveError(f"There is no archive at {zip_path}. Nothing was changed; check --zip-path.")
        waiting = {path.stem for path in sealed_files()}  # an archive run was killed, and stores them again if need be
        old: Found = {}
        kept: Found = {}
        for path in paths:
            sidecars = read_sidecars(path)
            old[path] = [found for found in sidecars if _youngest(found) < before and found.chunk not in waiting]
            kept[path] = [found for found in sidecars if found not in old[path]]
        blobs = 0
        if not dry_run:
            settle_removals(zip_path, {path: [*old[path], *kept[path]] for path in paths})
            usual = conf.zip_path.resolve()
            others = [] if zip_path == usual else [read_sidecars(path) for path in archive_zips(usual)]
            needed = _generations([*kept.values(), *others])
            _remove(zip_path, old, needed, conf.compresslevel, progress, with_blobs=zip_path == usual)
            remember_change(zip_path)
            blobs = sweep_marked_blobs(zip_path, progress)
    report = PruneReport(
        zip_path=zip_path,
        before=before,
        chunks=list(_described(old)),
        kept_chunks=sum(map(len, kept.values())),
        blobs=blobs,
        dry_run=dry_run,
    )
    if report.chunks and not dry_run:
        logger.info("Pruned %d chunks with %d examples.", len(report.chunks), report.rows)
    return report


def _moment_ago(age: timedelta) -> datetime:
    try:
        return datetime.now(UTC) - age
    except OverflowError:  # older than the calendar: nothing is
        return datetime.min.replace(tzinfo=UTC)


def _youngest(sidecar: Sidecar) -> datetime:
    return datetime.fromisoformat(sidecar.last_created_at or sidecar.created_at)


def _described(old: Found) -> Iterator[OldChunk]:
    for path, sidecars in old.items():
        for sidecar in sidecars:
            yield OldChunk(
                zip_name=path.name,
                chunk=sidecar.chunk,
                rows=sidecar.rows,
                size=sidecar.size,
                last_created_at=_youngest(sidecar).isoformat(),
            )


def _generations(found: Iterable[list[Sidecar]]) -> set[str]:
    """The live databases whose examples are in these chunks."""
    return {generation for sidecars in found for sidecar in sidecars for generation in sidecar.generations}


def _remove(
    zip_path: Path, old: Found, needed: set[str], compresslevel: int, progress: Progress, *, with_blobs: bool
) -> None:
    """The index first: were the ZIP first, a kill in between would leave rows that lead nowhere for ever.

    A chunk that a killed run leaves behind is no longer indexed; its note, of which the status speaks, says so.
    """
    for path, sidecars in old.items():
        names = [sidecar.chunk for sidecar in sidecars]
        if not names:
            remove_if_empty(path)  # a run that was killed had it still to remove
            continue
        if with_blobs:
            with scratch_directory(capture_settings().data_dir) as scratch:
                mark_blobs(blobs_of_chunks(path, names, scratch, progress))
        with removing(zip_path, path, sidecars):
            for generation in _generations([sidecars]) - needed:
                erase_judgments_of(generation)  # the index says which those are
                ExampleIndex.objects.filter(generation=generation).delete()
            rewrite_zip(path, dict.fromkeys(names), compresslevel=compresslevel, progress=progress)
