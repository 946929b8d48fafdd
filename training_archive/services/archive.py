"""The archive run: what has been captured becomes one verified chunk more."""

import logging
import os
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zipfile import ZipFile

from capture_app.blobs import remove_unfinished_blobs
from capture_app.conf import capture_settings
from capture_app.duckdb_files import is_duckdb_file
from capture_app.files import fsync_directory, scratch_directory, write_atomically
from capture_app.jobs import ARCHIVE, job
from capture_app.models import ForgottenExample
from capture_app.progress import Progress, silent
from capture_app.quarantine import count_quarantined
from capture_app.services import drain_captures, rotate_live_database
from capture_app.wording import counted
from training_archive.chunks import CHUNK_SUFFIX, Sidecar, check_chunk, chunk_name
from training_archive.compaction import compact
from training_archive.conf import SEALED_FOLDER, ArchiveSettings, archive_settings
from training_archive.dated_names import archive_zips, roll_over
from training_archive.exceptions import ArchiveBusy, ArchiveDamaged, ArchiveError
from training_archive.locks import only_run
from training_archive.models import ArchiveRun
from training_archive.records import known_chunks, remember_archive, remember_chunk
from training_archive.removed_chunks import leaving_chunks
from training_archive.runs import SHELL, recording
from training_archive.sealed import sealed_files
from training_archive.shipping.service import ShipReport, ship_after_run
from training_archive.zip_archive import ChunkMember, check_member, list_chunks, open_zip, read_sidecar
from training_archive.zip_writer import append_chunk

logger = logging.getLogger("training_archive")

_TARGET_SUFFIX: Final = ".target"  # beside a sealed file: the ZIP that it was last being appended to


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveReport:
    """What one archive run did."""

    zip_path: Path
    chunks: list[Sidecar]  # appended by this run: the new one, and any that an interrupted run had left
    drained_rows: int
    rotation_lock_seconds: float | None  # how long capture's readers and drains were kept out; None: nothing to rotate
    seconds: float  # without shipping
    shipped: ShipReport | None = None  # None: SHIP_TO is not set, or it failed, which the job's row tells

    @property
    def rows(self) -> int:
        return sum(chunk.rows for chunk in self.chunks)


def archive_training_data(
    *,
    db_path: Path | None = None,
    zip_path: Path | None = None,
    compresslevel: int | None = None,
    progress: Progress = silent,
    requested_by: str = SHELL,
    run_id: int | None = None,
) -> ArchiveReport:
    """Drain the inbox, take the live database away, and append it to the ZIP as a verified chunk.

    The live database's lock is held for two renames; the rest happens without it. Interrupted anywhere, the examples
    are in the inbox, the live database, the sealed folder or the ZIP, and the next run goes on from there. A database
    other than the configured one is archived without draining, for the inbox is not its own. A ZIP that the chunk would
    make too large, or that is too old, is rolled over first (see archive_set).

    At the end the archive is shipped, when SHIP_TO is set; a failure of that is recorded and does not fail the run.
    `run_id` is that of a run which somebody asked for (see runs).

    Raises ArchiveBusy while another run works, RunNotWaiting when the run `run_id` was cancelled or has begun,
    ArchiveError or ArchiveDamaged when the ZIP cannot be written; then nothing is lost, and the message says what to
    do.
    """
    conf = archive_settings()
    live_path, usual_zip = capture_settings().live_database.resolve(), conf.zip_path.resolve()
    # One spelling for one file: whether it is the live database must not depend on how it was named.
    db_path, zip_path = (db_path or live_path).resolve(), (zip_path or usual_zip).resolve()
    is_usual = (db_path, zip_path) == (live_path, usual_zip)
    with recording(
        ArchiveRun.Kind.ARCHIVE,
        zip_path=zip_path,
        recorded=is_usual,
        by=requested_by,
        run_id=run_id,
        progress=progress,
        refusal=ArchiveBusy,
    ) as run:
        report = _run(db_path, zip_path, live_path, is_usual, compresslevel, run.progress)
        run.found(rows=report.rows, chunks=len(report.chunks))
        return replace(report, shipped=ship_after_run(progress=run.progress)) if is_usual else report


def _run(
    db_path: Path, zip_path: Path, live_path: Path, is_usual: bool, compresslevel: int | None, progress: Progress
) -> ArchiveReport:
    """All but the shipping."""
    started = time.monotonic()
    folder = db_path.parent / SEALED_FOLDER
    with job(ARCHIVE, refusal=ArchiveBusy, recorded=is_usual) as run:
        _refuse_odd_paths(db_path, live_path, zip_path)
        with only_run(folder, zip_path):
            run.started()
            drained_rows = drain_captures(progress=progress).rows if db_path == live_path else 0
            archived = archived_names(zip_path)
            if is_usual and archived != known_chunks(zip_path):  # a killed run, or other hands, changed the archive
                _keep_records(zip_path)
            _tell_unfinished_removals(zip_path)
            remove_unfinished_blobs(capture_settings().data_dir)
            taken = {*archived, *(path.stem for path in sealed_files(folder))}
            sealed = folder / (chunk_name(datetime.now(UTC), taken) + CHUNK_SUFFIX)
            lock_seconds = rotate_live_database(db_path=db_path, sealed=sealed)
            chunks = store_sealed_files(folder, zip_path, compresslevel=compresslevel, progress=progress)
        run.rows = sum(chunk.rows for chunk in chunks)
    report = ArchiveReport(
        zip_path=zip_path,
        chunks=chunks,
        drained_rows=drained_rows,
        rotation_lock_seconds=lock_seconds,
        seconds=time.monotonic() - started,
    )
    _log(report)
    return report


def _refuse_odd_paths(db_path: Path, live_path: Path, zip_path: Path) -> None:
    if db_path != live_path and not is_duckdb_file(db_path):
        raise ArchiveError(f"There is no DuckDB database at {db_path}. Nothing was changed; check --db-path.")
    if zip_path.exists() and not zip_path.is_file():
        raise ArchiveError(f"{zip_path} is no file. Nothing was changed; check --zip-path.")


def _log(report: ArchiveReport) -> None:
    quarantined = sum(chunk.quarantined_lines for chunk in report.chunks)
    logger.info(
        "Archived %s in %.1f s.",
        counted(report.rows, "example"),
        report.seconds,
        extra={"rows": report.rows, "seconds": report.seconds, "quarantined": quarantined},
    )


def archived_names(zip_path: Path) -> dict[str, str]:
    """The names of all chunks in the ZIPs, each with that of its ZIP. An unreadable dated ZIP is left out."""
    names: dict[str, str] = {}
    for path in archive_zips(zip_path):
        try:
            with open_zip(path) as archive:
                names |= {member.name: path.name for member in list_chunks(archive)}
        except ArchiveDamaged as error:
            if path == zip_path:
                raise
            logger.warning("%s New examples are archived all the same.", error)
    return names


def store_sealed_files(
    folder: Path, zip_path: Path, *, compresslevel: int | None = None, progress: Progress = silent
) -> list[Sidecar]:
    """Bring what is sealed in the folder into the ZIP, oldest first; the sidecars. For who holds the archive's locks.

    One that cannot be stored does not keep the others out, but its error is raised.
    """
    conf = archive_settings()
    if compresslevel is not None:
        conf = replace(conf, compresslevel=compresslevel)
    stored: list[Sidecar] = []
    errors: list[ArchiveError] = []
    for sealed in sealed_files(folder):
        try:
            stored += _store(sealed, zip_path, conf, progress)
        except ArchiveError as error:
            errors.append(error)
        except OSError as error:
            errors.append(
                ArchiveError(f"{sealed} could not be archived: {error}. It stays there; run the archive again.")
            )
    if errors:
        raise errors[0]
    return stored


def _store(sealed: Path, zip_path: Path, conf: ArchiveSettings, progress: Progress) -> list[Sidecar]:
    """Bring one sealed file into the ZIP, unless an interrupted run already did; only then is it removed.

    No sidecar: all that was in it has been forgotten.
    """
    target = sealed.with_suffix(_TARGET_SUFFIX)
    stored = _stored_before(sealed.stem, target, zip_path)
    if stored is None:
        write_atomically(target, bytes(zip_path))
        sidecar = _append(sealed, zip_path, conf, progress)
        stored = zip_path, sidecar
    where, sidecar = stored
    if sidecar.rows:
        remember_chunk(sidecar, where)
    sealed.unlink()
    target.unlink(missing_ok=True)
    fsync_directory(sealed.parent)
    return [sidecar] if sidecar.rows else []


def _stored_before(name: str, target: Path, zip_path: Path) -> tuple[Path, Sidecar] | None:
    """The ZIP that already holds the chunk, or one that it was merged into.

    A run into another ZIP may have been killed after its append, and the chunk may have been merged since. A ZIP that
    cannot be read stands in the way only when a run had begun to append, as the note `target` tells.
    """
    places = {zip_path, Path(os.fsdecode(target.read_bytes()))} if target.exists() else {zip_path}
    for path in [path for place in places for path in archive_zips(place)]:
        try:
            with open_zip(path) as archive:
                for member in list_chunks(archive):
                    sidecar = _sidecar_if_of(archive, member, name)
                    if sidecar is not None:
                        check_member(archive, member, sidecar)
                        return path, sidecar
        except ArchiveDamaged:
            if target.exists():
                raise
    return None


def _sidecar_if_of(archive: ZipFile, member: ChunkMember, name: str) -> Sidecar | None:
    """The member's sidecar when it is the chunk of that name, or holds what was in it."""
    if member.name == name:
        return read_sidecar(archive, member)
    with suppress(ArchiveDamaged):  # an older one that is damaged must not keep out what is new
        sidecar = read_sidecar(archive, member)
        if name in [source["chunk"] for source in sidecar.merged_from]:
            return sidecar
    return None


def _append(sealed: Path, zip_path: Path, conf: ArchiveSettings, progress: Progress) -> Sidecar:
    data_dir = sealed.parent.parent
    with scratch_directory(data_dir) as scratch:
        chunk = scratch / sealed.name
        progress("compacting", 0, 0)
        forgotten = ForgottenExample.objects.values_list("pk", flat=True)
        sidecar = compact(sealed, chunk, scratch=scratch, without=forgotten)
        if sidecar.rows:
            sidecar = replace(sidecar, quarantined_lines=count_quarantined(data_dir, sidecar.generation))
            check_chunk(chunk, sidecar, scratch=scratch)
            _make_room(zip_path, sidecar, conf)
            append_chunk(zip_path, chunk, sidecar, compresslevel=conf.compresslevel, progress=progress)
    return sidecar


def _make_room(zip_path: Path, sidecar: Sidecar, conf: ArchiveSettings) -> None:
    """Roll the ZIP over when the chunk would make it too large, or when it is too old."""
    if not zip_path.exists():
        return
    now = datetime.now(UTC)
    if zip_path.stat().st_size + sidecar.size > conf.roll_bytes or now - _began(zip_path, now) > conf.roll_age:
        dated = roll_over(zip_path, now)
        logger.info("%s was rolled over to %s.", zip_path.name, dated.name)
        _keep_records(zip_path)


def _began(zip_path: Path, now: datetime) -> datetime:
    """When the ZIP's first chunk was made, as far as its sidecars can be read."""
    began = now
    with open_zip(zip_path) as archive:
        for member in list_chunks(archive):
            with suppress(ArchiveDamaged):
                began = min(began, datetime.fromisoformat(read_sidecar(archive, member).created_at))
    return began


def _tell_unfinished_removals(zip_path: Path) -> None:
    if leaving := leaving_chunks(zip_path):
        logger.warning(
            "A run was killed while it removed %s from the archive, which the index may not know any more. Run "
            "`manage.py prune_archive` or `forget` again, or `rebuild_example_index` to keep what is still there.",
            counted(len(leaving), "chunk"),
        )


def _keep_records(zip_path: Path) -> None:
    """Damage to what is archived long since must not keep out what is new."""
    try:
        remember_archive(zip_path)
    except ArchiveDamaged as error:
        logger.warning("The archive's chunks cannot all be listed: %s See `manage.py verify_archive`.", error)
