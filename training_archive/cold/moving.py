"""Chunks that are old move to cold storage."""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from capture_app.conf import capture_settings
from capture_app.files import scratch_directory
from capture_app.jobs import job
from capture_app.moments import moment_ago
from capture_app.progress import Progress, silent
from capture_app.requeue import alone
from capture_app.wording import counted
from training_archive.archive_set import read_sidecars
from training_archive.blob_sweep import mark_blobs, sweep_marked_blobs
from training_archive.chunks import Sidecar
from training_archive.cold.ledger import ColdPart, Ledger, State, youngest
from training_archive.cold.parts import MOST_BLOBS, build_part, refuse_too_large, sound_blobs
from training_archive.cold.settling import remember_part, settled_ledger
from training_archive.cold.storage import adopt_lost, clear_loose, configured_place, publish_copies, send_part
from training_archive.conf import archive_settings
from training_archive.dated_names import archive_zips
from training_archive.erasing import blobs_of_chunks
from training_archive.locks import only_run
from training_archive.records import remember_change
from training_archive.removed_chunks import removing, settle_removals
from training_archive.sealed import sealed_files, sealed_folder
from training_archive.zip_writer import remove_if_empty, rewrite_zip

COLD: Final = "cold"  # the job's name

logger = logging.getLogger("training_archive")


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedChunk:
    """A chunk that is in cold storage now, or would be."""

    zip_name: str  # that it was in
    chunk: str
    rows: int
    size: int  # bytes
    part: str  # "" in a dry run


@dataclass(slots=True, kw_only=True)
class ColdReport:
    """What one run moved, or would move."""

    storage: str  # its alias
    before: datetime  # chunks with younger examples stay; aware
    dry_run: bool
    moved: list[MovedChunk] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    kept_chunks: int = 0
    too_many_blobs: list[str] = field(default_factory=list)  # old chunks that no part can hold; they stay
    damaged_blobs: int = 0  # gone here, or not what their names say: they could not go along
    blobs: int = 0  # images and files that left with them
    seconds: float = 0.0

    @property
    def rows(self) -> int:
        return sum(chunk.rows for chunk in self.moved)


@dataclass(slots=True)
class _Group:
    """Chunks of one ZIP that go together."""

    month: str  # YYYYmm
    chunks: list[Sidecar] = field(default_factory=list)
    blobs: set[str] = field(default_factory=set)

    @property
    def size(self) -> int:
        return sum(chunk.size for chunk in self.chunks)


def move_to_cold_storage(*, older_than: timedelta, dry_run: bool = False, progress: Progress = silent) -> ColdReport:
    """Move the chunks whose youngest example is older than this to COLD_STORAGE, with what their examples refer to.

    A chunk leaves the archive when its part is verified there. The index keeps its examples, and what people said of
    them. Interrupted, run it again: it finishes, and sends no part twice that is there. Copies that were shipped follow
    with the next `ship_archive`.

    Raises ArchiveBusy while another run works, JobBusy while one requeues, ShippingError when the storage refuses or
    stays away, ArchiveError or ArchiveDamaged when a ZIP cannot be read or written. No chunk is lost by any of them.
    """
    started = time.monotonic()
    to = configured_place()
    zip_path = archive_settings().zip_path.resolve()
    report = ColdReport(storage=to[0], before=moment_ago(older_than), dry_run=dry_run)
    with only_run(sealed_folder(), zip_path), alone():
        if dry_run:
            for path in archive_zips(zip_path):
                report.moved += [_moved(path, chunk, "") for chunk in _old_chunks(path, report)]
            return report
        with job(COLD) as run:
            run.started()
            _move(zip_path, to, report, progress)
            run.rows = report.rows
    report.seconds = time.monotonic() - started
    _log(report)
    return report


def _log(report: ColdReport) -> None:
    if report.damaged_blobs:
        logger.warning(
            "%s could not go along to cold storage: gone here, or not what their names say.",
            counted(report.damaged_blobs, "image or file"),
        )
    if report.moved:
        logger.info(
            "Moved %s with %s to cold storage in %.1f s.",
            counted(len(report.moved), "chunk"),
            counted(report.rows, "example"),
            report.seconds,
        )


def _move(zip_path: Path, to: tuple[str, str], report: ColdReport, progress: Progress) -> None:
    ledger = settled_ledger(zip_path)
    adopt_lost(ledger)
    clear_loose(ledger)
    settle_removals(zip_path, {path: read_sidecars(path) for path in archive_zips(zip_path)})
    for path in archive_zips(zip_path):
        if not read_sidecars(path):
            remove_if_empty(path)  # a run that was killed had it still to remove
            continue
        groups = list(_groups(path, report, progress))
        sent = [_send(ledger, path, group, to, report, progress) for group in groups]
        if sent:
            _remove(ledger, path, sent, set[str]().union(*(group.blobs for group in groups)), progress)
            report.moved += [_moved(path, chunk, part.name) for part in sent for chunk in part.chunks]
            report.parts += [part.name for part in sent]
    remember_change(zip_path)
    report.blobs = sweep_marked_blobs(zip_path, progress)


def _moved(path: Path, chunk: Sidecar, part: str) -> MovedChunk:
    return MovedChunk(zip_name=path.name, chunk=chunk.chunk, rows=chunk.rows, size=chunk.size, part=part)


def _old_chunks(path: Path, report: ColdReport) -> list[Sidecar]:
    """But for those that a killed archive run comes back to: it knows by the name what it had done."""
    waiting = {sealed.stem for sealed in sealed_files()}
    sidecars = read_sidecars(path)
    old = [chunk for chunk in sidecars if youngest(chunk) < report.before and chunk.chunk not in waiting]
    report.kept_chunks += len(sidecars) - len(old)
    return old


def _groups(path: Path, report: ColdReport, progress: Progress) -> Iterator[_Group]:
    """By month, so that one may have a month back; no part is larger than a ZIP may become."""
    group: _Group | None = None
    for chunk in _old_chunks(path, report):
        month = f"{youngest(chunk).astimezone(UTC):%Y%m}"
        with scratch_directory(capture_settings().data_dir) as scratch:
            blobs = blobs_of_chunks(path, [chunk.chunk], scratch, progress)
        if len(blobs) > MOST_BLOBS:
            report.too_many_blobs.append(chunk.chunk)
            report.kept_chunks += 1
            continue
        if group and not _has_room(group, month, chunk, blobs):
            yield group
            group = None
        group = group or _Group(month)
        group.chunks.append(chunk)
        group.blobs |= blobs
    if group:
        yield group


def _has_room(group: _Group, month: str, chunk: Sidecar, blobs: set[str]) -> bool:
    is_small = group.size + chunk.size <= archive_settings().roll_bytes
    return group.month == month and is_small and len(group.blobs | blobs) <= MOST_BLOBS


def _send(
    ledger: Ledger, path: Path, group: _Group, to: tuple[str, str], report: ColdReport, progress: Progress
) -> ColdPart:
    """The part is safe there, and its chunks are still here."""
    data_dir = capture_settings().data_dir
    blobs = sound_blobs(group.blobs, data_dir)
    report.damaged_blobs += len(group.blobs) - len(blobs)
    with scratch_directory(data_dir) as scratch:
        refuse_too_large(group.size + sum(found.stat().st_size for found in blobs.values()), scratch)
        target = scratch / "part.zip"
        chunks = build_part(path, [chunk.chunk for chunk in group.chunks], blobs, target, progress)
        return send_part(
            ledger,
            target,
            tuple(chunks),
            month=group.month,
            blobs=len(blobs),
            to=to,
            state=State.LEAVING,
            progress=progress,
        )


def _remove(ledger: Ledger, path: Path, sent: Sequence[ColdPart], blobs: set[str], progress: Progress) -> None:
    """The ledger first, and its copy: were the ZIP first, a kill in between would leave chunks that nobody knows of."""
    chunks = [chunk for part in sent for chunk in part.chunks]
    for part in sent:
        ledger.put(part)
    publish_copies(ledger, *(part.place for part in sent))
    mark_blobs(blobs)
    with removing(ledger.zip_path, path, chunks):
        rewrite_zip(
            path,
            {chunk.chunk: None for chunk in chunks},
            compresslevel=archive_settings().compresslevel,
            progress=progress,
        )
    for part in sent:
        remember_part(part)
        ledger.becomes(part, State.THERE)
