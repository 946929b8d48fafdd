"""The verbs of training_archive. Commands, tasks and everything downstream call these."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from django.db import Error as DatabaseError
from django.db import transaction
from filelock import FileLock, Timeout

from capture_app.conf import capture_settings
from capture_app.duckdb_files import is_duckdb_file, table_comment
from capture_app.example import TABLE
from capture_app.files import fsync_directory, scratch_directory, write_atomically
from capture_app.index import index_examples
from capture_app.jobs import ARCHIVE, describe, job
from capture_app.models import ExampleIndex, Job
from capture_app.progress import Progress, silent
from capture_app.quarantine import count_quarantined
from capture_app.services import (
    CaptureStatus,
    capture_status,
    drain_captures,
    index_live_database,
    rotate_live_database,
)
from capture_app.wording import counted
from training_archive.chunks import CHUNK_SUFFIX, Sidecar, attach_chunk, check_chunk, chunk_name, compact, is_chunk_name
from training_archive.conf import SEALED_FOLDER, archive_settings
from training_archive.exceptions import ArchiveBusy, ArchiveDamaged, ArchiveError
from training_archive.models import ArchivedChunk
from training_archive.reader import CHUNK, attached_chunks, reading_session
from training_archive.zip_archive import (
    ChunkMember,
    check_member,
    extract_chunk,
    find_chunk,
    list_chunks,
    open_zip,
    read_sidecar,
)
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
    seconds: float

    @property
    def rows(self) -> int:
        return sum(chunk.rows for chunk in self.chunks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A member of the ZIP that is not what it says it is."""

    member: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What reading every member of the ZIP found."""

    zip_path: Path
    chunks: list[Sidecar]  # the sound ones
    problems: list[Problem]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveStatus:
    """Where the examples are, from the inbox to the ZIP."""

    capture: CaptureStatus
    jobs: list[Job]  # by name
    sealed_files: int
    zip_path: Path
    zip_size: int  # bytes; 0 when there is no ZIP yet
    chunks: int
    rows: int
    last_chunk_at: datetime | None  # aware
    problem: str  # why the figures of the ZIP or of the jobs are missing; "" when they are not

    @property
    def last_chunk_age(self) -> timedelta | None:
        return datetime.now(UTC) - self.last_chunk_at if self.last_chunk_at else None


def archive_training_data(
    *,
    db_path: Path | None = None,
    zip_path: Path | None = None,
    compresslevel: int | None = None,
    progress: Progress = silent,
) -> ArchiveReport:
    """Drain the inbox, take the live database away, and append it to the ZIP as a verified chunk.

    The live database's lock is held for two renames; the rest happens without it. Interrupted anywhere, the examples
    are in the inbox, the live database, the sealed folder or the ZIP, and the next run goes on from there. A database
    other than the configured one is archived without draining, for the inbox is not its own.

    Raises ArchiveBusy while another run works, ArchiveError or ArchiveDamaged when the ZIP cannot be written; then
    nothing is lost, and the message says what to do.
    """
    started = time.monotonic()
    conf = archive_settings()
    live_path, usual_zip = _absolute(capture_settings().live_database), _absolute(conf.zip_path)
    db_path, zip_path = _absolute(db_path or live_path), _absolute(zip_path or usual_zip)
    level = conf.compresslevel if compresslevel is None else compresslevel
    folder = db_path.parent / SEALED_FOLDER
    is_usual = (db_path, zip_path) == (live_path, usual_zip)
    with job(ARCHIVE, refusal=ArchiveBusy, recorded=is_usual) as run:
        _refuse_odd_paths(db_path, live_path, zip_path)
        with _only_run(folder, zip_path):
            run.started()
            drained_rows = drain_captures(progress=progress).rows if db_path == live_path else 0
            sealed = folder / (chunk_name(datetime.now(UTC), _taken_names(folder, zip_path)) + CHUNK_SUFFIX)
            lock_seconds = rotate_live_database(db_path=db_path, sealed=sealed)
            chunks = _store_all(_sealed_files(folder), zip_path, level, progress)
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


def verify_archive(*, zip_path: Path | None = None, progress: Progress = silent) -> VerifyReport:
    """Read every member: CRC, SHA-256, size, sidecar, and whether DuckDB opens it and finds the rows.

    Raises ArchiveError when there is no ZIP, ArchiveDamaged when its directory cannot be read at all.
    """
    zip_path = _absolute(zip_path or archive_settings().zip_path)
    sound: list[Sidecar] = []
    problems: list[Problem] = []
    with scratch_directory(capture_settings().data_dir) as scratch, open_zip(zip_path) as archive:
        members = list_chunks(archive)
        problems += [
            Problem(member=name, reason="no chunk belongs to it") for name in _strays(archive.namelist(), members)
        ]
        for member in members:
            try:
                sidecar = read_sidecar(archive, member)
            except ArchiveDamaged as error:
                name = member.sidecar_info.filename if member.sidecar_info else member.info.filename
                problems.append(_problem(name, error))
                continue
            try:
                path = extract_chunk(archive, member, scratch, progress)
                check_member(archive, member, sidecar)
                check_chunk(path, sidecar, scratch=scratch)
            except ArchiveDamaged as error:
                problems.append(_problem(member.info.filename, error))
            else:
                sound.append(sidecar)
                path.unlink()
    return VerifyReport(zip_path=zip_path, chunks=sound, problems=problems)


def _problem(member: str, error: ArchiveDamaged) -> Problem:
    return Problem(member=member, reason=str(error).removeprefix(f"{member}: "))


def archive_status(*, zip_path: Path | None = None) -> ArchiveStatus:
    """Count what is where. Takes the live database's lock for the moment of a count."""
    zip_path = _absolute(zip_path or archive_settings().zip_path)
    chunks, zip_problem = _readable_sidecars(zip_path)
    jobs, job_problem = _recorded_jobs()
    return ArchiveStatus(
        capture=capture_status(),
        jobs=jobs,
        sealed_files=len(sealed_files()),
        zip_path=zip_path,
        zip_size=zip_path.stat().st_size if zip_path.exists() else 0,
        chunks=len(chunks),
        rows=sum(chunk.rows for chunk in chunks),
        last_chunk_at=max((datetime.fromisoformat(chunk.created_at) for chunk in chunks), default=None),
        problem=" ".join(filter(None, (zip_problem, job_problem))),
    )


def _readable_sidecars(zip_path: Path) -> tuple[list[Sidecar], str]:
    """The sidecars, or why there are none: the other figures are wanted all the more."""
    try:
        return _sidecars(zip_path), ""
    except ArchiveError as error:
        return [], str(error)


def _recorded_jobs() -> tuple[list[Job], str]:
    """As _readable_sidecars, for the jobs."""
    try:
        return list(Job.objects.all()), ""
    except DatabaseError as error:
        return [], f"Django's database does not say what the jobs did: {describe(error)}."


def rebuild_example_index(*, zip_path: Path | None = None, progress: Progress = silent) -> int:
    """Make ExampleIndex and ArchivedChunk anew from the ZIP, the sealed files and the live database; the rows indexed.

    What is archived is replaced in one transaction: interrupted, the index is as it was. Captures go on meanwhile, and
    drains wait; an archive run is refused.
    """
    zip_path = _absolute(zip_path or archive_settings().zip_path)
    folder = capture_settings().data_dir / SEALED_FOLDER
    with _only_run(folder, zip_path):
        live_generation, live_rows = index_live_database()
        with transaction.atomic():
            ExampleIndex.objects.exclude(generation=live_generation).delete()
            ArchivedChunk.objects.all().delete()
            archived_rows = _index_zip(zip_path, progress) if zip_path.exists() else 0
            return live_rows + archived_rows + _index_sealed(folder)


def _index_zip(zip_path: Path, progress: Progress) -> int:
    rows = 0
    with reading_session() as (connection, scratch):
        for sidecar in attached_chunks(connection, zip_path, scratch, progress):
            _remember(sidecar, zip_path)
            rows += index_examples(connection, f"{CHUNK}.{TABLE}", sidecar.generation)
    return rows


def _index_sealed(folder: Path) -> int:
    rows = 0
    for sealed in _sealed_files(folder):
        with reading_session() as (connection, _):
            attach_chunk(connection, sealed, CHUNK)
            generation = table_comment(connection, CHUNK) or sealed.stem
            rows += index_examples(connection, f"{CHUNK}.{TABLE}", generation)
    return rows


def _absolute(path: Path) -> Path:
    """One spelling for one file: whether it is the live database must not depend on how it was named."""
    return path.resolve()


@contextmanager
def _only_run(folder: Path, zip_path: Path) -> Iterator[None]:
    """Two runs must share neither a sealed folder nor a ZIP."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        zip_path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArchiveError(
            f"{zip_path.parent} cannot hold an archive: {error.strerror}. Nothing was changed."
        ) from error
    with ExitStack() as stack:
        for path in (folder / ".lock", zip_path.with_name(f".{zip_path.name}.lock")):
            try:
                stack.enter_context(FileLock(path, timeout=0))
            except Timeout as error:
                raise ArchiveBusy(
                    f"Another archive run, or a rebuild of the index, is at work ({path} is held). Nothing was "
                    "changed, and what is captured is safe where it is. Run this again when that has finished."
                ) from error
        yield


def sealed_files() -> list[Path]:
    """The configured live databases of the past that are not in the ZIP yet, oldest first."""
    return _sealed_files(capture_settings().data_dir / SEALED_FOLDER)


def _sealed_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob(f"*{CHUNK_SUFFIX}") if is_chunk_name(path.stem))


def _taken_names(folder: Path, zip_path: Path) -> set[str]:
    names = {path.stem for path in _sealed_files(folder)}
    if zip_path.exists():
        with open_zip(zip_path) as archive:
            names |= {member.name for member in list_chunks(archive)}
    return names


def _sidecars(zip_path: Path) -> list[Sidecar]:
    if not zip_path.exists():
        return []
    with open_zip(zip_path) as archive:
        return [read_sidecar(archive, member) for member in list_chunks(archive)]


def _store_all(files: list[Path], zip_path: Path, compresslevel: int, progress: Progress) -> list[Sidecar]:
    """Store each sealed file, oldest first. One that cannot be stored does not keep the others out, but is raised."""
    stored: list[Sidecar] = []
    errors: list[ArchiveError] = []
    for sealed in files:
        try:
            stored.append(_store(sealed, zip_path, compresslevel, progress))
        except ArchiveError as error:
            errors.append(error)
        except OSError as error:
            errors.append(
                ArchiveError(f"{sealed} could not be archived: {error}. It stays there; run the archive again.")
            )
    if errors:
        raise errors[0]
    return stored


def _store(sealed: Path, zip_path: Path, compresslevel: int, progress: Progress) -> Sidecar:
    """Bring one sealed file into the ZIP, unless an interrupted run already did; only then is it removed."""
    target = sealed.with_suffix(_TARGET_SUFFIX)
    stored = _stored_before(sealed.stem, target, zip_path)
    if stored is None:
        write_atomically(target, bytes(zip_path))
        stored = zip_path, _append(sealed, zip_path, compresslevel, progress)
    where, sidecar = stored
    _remember(sidecar, where)
    sealed.unlink()
    target.unlink(missing_ok=True)
    fsync_directory(sealed.parent)
    return sidecar


def _stored_before(name: str, target: Path, zip_path: Path) -> tuple[Path, Sidecar] | None:
    """The ZIP that already holds the chunk. A run into another ZIP may have been killed after its append."""
    places = {zip_path, Path(os.fsdecode(target.read_bytes()))} if target.exists() else {zip_path}
    for place in places:
        if place.exists():
            with open_zip(place) as archive:
                member = find_chunk(archive, name)
                if member is not None:
                    sidecar = read_sidecar(archive, member)
                    check_member(archive, member, sidecar)
                    return place, sidecar
    return None


def _append(sealed: Path, zip_path: Path, compresslevel: int, progress: Progress) -> Sidecar:
    data_dir = sealed.parent.parent
    with scratch_directory(data_dir) as scratch:
        chunk = scratch / sealed.name
        progress("compacting", 0, 0)
        sidecar = compact(sealed, chunk, scratch=scratch)
        sidecar = replace(sidecar, quarantined_lines=count_quarantined(data_dir, sidecar.generation))
        check_chunk(chunk, sidecar, scratch=scratch)
        append_chunk(zip_path, chunk, sidecar, compresslevel=compresslevel, progress=progress)
    return sidecar


def _remember(sidecar: Sidecar, zip_path: Path) -> None:
    with transaction.atomic():
        ArchivedChunk.objects.update_or_create(
            name=sidecar.chunk,
            defaults={
                "generation": sidecar.generation,
                "zip_name": os.fsencode(zip_path.name).decode("utf-8", "backslashreplace"),
                "rows": sidecar.rows,
                "size": sidecar.size,
                "sha256": sidecar.sha256,
                "first_created_at": sidecar.first_created_at,
                "last_created_at": sidecar.last_created_at,
                "archived_at": sidecar.created_at,
            },
        )


def _strays(names: list[str], members: list[ChunkMember]) -> list[str]:
    known = {info.filename for member in members for info in (member.info, member.sidecar_info) if info is not None}
    return [name for name in names if name not in known]
