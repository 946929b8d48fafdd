"""Chunks that have become too old are removed, whole."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from capture_app.conf import capture_settings
from capture_app.files import scratch_directory
from capture_app.judgments import erase_judgments_of
from capture_app.models import ExampleIndex
from capture_app.moments import moment_ago
from capture_app.progress import Progress, silent
from capture_app.requeue import alone
from training_archive.archive_set import read_sidecars
from training_archive.blob_sweep import has_marked_blobs, mark_blobs, sweep_marked_blobs
from training_archive.chunks import Sidecar
from training_archive.cold.ledger import ColdPart, Ledger, chunk_names, youngest
from training_archive.cold.settling import forget_records, settled_ledger
from training_archive.cold.storage import adopt_lost, clear_loose
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
    and judgments; and in the end the parts in cold storage that hold nothing else.

    A chunk that also holds younger examples stays whole, and so does such a part. Interrupted, run it again: it
    finishes. Index and blobs are those of the configured archive: of another one, only what that does not hold leaves
    the index, and no blob goes.

    Raises ArchiveBusy while another run works, JobBusy while one requeues, ArchiveError or ArchiveDamaged when a ZIP
    cannot be read or written, ShippingError when all is done but that cold storage could not be reached.
    """
    conf = archive_settings()
    zip_path = (zip_path or conf.zip_path).resolve()
    before = moment_ago(older_than)
    with only_run(sealed_folder(), zip_path), alone():  # what is requeued meanwhile would escape the sweep
        paths = archive_zips(zip_path)
        ledger = Ledger.read(zip_path) if dry_run else settled_ledger(zip_path)
        known = known_chunks(zip_path) or has_marked_blobs() or ledger.parts or ledger.loose
        if not paths and not known:  # else a killed run removed them all
            raise ArchiveError(f"There is no archive at {zip_path}. Nothing was changed; check --zip-path.")
        waiting = {path.stem for path in sealed_files()}  # an archive run was killed, and stores them again if need be
        old: Found = {}
        kept: Found = {}
        for path in paths:
            sidecars = read_sidecars(path)
            old[path] = [found for found in sidecars if youngest(found) < before and found.chunk not in waiting]
            kept[path] = [found for found in sidecars if found not in old[path]]
        blobs = 0
        if not dry_run:
            settle_removals(zip_path, {path: [*old[path], *kept[path]] for path in paths})
            usual = conf.zip_path.resolve()
            others = [] if zip_path == usual else [read_sidecars(path) for path in archive_zips(usual)]
            cold = [list(part.chunks) for part in ledger.parts.values() if part.youngest >= before]
            needed = _generations([*kept.values(), *others, *cold])
            _remove(zip_path, old, needed, conf.compresslevel, progress, with_blobs=zip_path == usual)
            remember_change(zip_path)
            blobs = sweep_marked_blobs(zip_path, progress)
        gone = _prune_cold(ledger, before, _generations(kept.values()), dry_run=dry_run)
    report = PruneReport(
        zip_path=zip_path,
        before=before,
        chunks=[*_described(old), *_described({Path(part.name): list(part.chunks) for part in gone})],
        kept_chunks=sum(map(len, kept.values())) + len(chunk_names(ledger.parts.values()) - chunk_names(gone)),
        blobs=blobs + sum(part.blobs for part in gone),
        dry_run=dry_run,
    )
    if report.chunks and not dry_run:
        logger.info("Pruned %d chunks with %d examples.", len(report.chunks), report.rows)
    return report


def _described(old: Found) -> Iterator[OldChunk]:
    for path, sidecars in old.items():
        for sidecar in sidecars:
            yield OldChunk(
                zip_name=path.name,
                chunk=sidecar.chunk,
                rows=sidecar.rows,
                size=sidecar.size,
                last_created_at=youngest(sidecar).isoformat(),
            )


def _generations(found: Iterable[list[Sidecar]]) -> set[str]:
    """The live databases whose examples are in these chunks."""
    return {generation for sidecars in found for sidecar in sidecars for generation in sidecar.generations}


def _prune_cold(ledger: Ledger, before: datetime, needed: set[str], *, dry_run: bool) -> list[ColdPart]:
    """Have the parts deleted that hold nothing younger; which. What is here was pruned before, for this may fail."""
    if not dry_run and ledger.zip_path == archive_settings().zip_path.resolve():
        adopt_lost(ledger)
    old = [part for part in ledger.parts.values() if part.youngest < before]
    if dry_run:
        return old
    needed |= _generations([list(part.chunks) for part in ledger.parts.values() if part not in old])
    for part in old:
        _unindex(_generations([list(part.chunks)]) - needed)
        ledger.let_go(part)
        forget_records(chunk_names([part]))
    clear_loose(ledger)
    return old


def _unindex(generations: Iterable[str]) -> None:
    for generation in generations:
        erase_judgments_of(generation)  # the index says which those are
        ExampleIndex.objects.filter(generation=generation).delete()


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
            _unindex(_generations([sidecars]) - needed)
            rewrite_zip(path, dict.fromkeys(names), compresslevel=compresslevel, progress=progress)
