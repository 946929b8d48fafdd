"""What was put aside is taken in again: quarantine, withheld examples, and sealed files under a name that no run sees.

The first two are capture's (see `capture_app.requeue`). A file in the sealed folder that holds our table gets the name
of a chunk, so that the next archive run takes it, and is indexed. Killed in between, the next run indexes it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from duckdb import DuckDBPyConnection

from capture_app import requeue as capture_requeue
from capture_app.conf import capture_settings
from capture_app.duckdb_files import table_comment
from capture_app.example import PRIMARY_KEY, TABLE
from capture_app.files import fsync_directory
from capture_app.index import index_examples
from capture_app.known import forgotten_ids, stored_ids
from capture_app.models import ExampleIndex
from capture_app.progress import Progress, silent
from capture_app.requeue import Requeued
from capture_app.services import drain_captures
from training_archive.chunks import CHUNK_SUFFIX, attach_chunk, chunk_name, is_chunk_name
from training_archive.conf import archive_settings
from training_archive.exceptions import ArchiveDamaged
from training_archive.locks import only_run
from training_archive.models import ArchivedChunk
from training_archive.reader import CHUNK, reading_session
from training_archive.sealed import sealed_files, sealed_folder

QUARANTINE: Final = "quarantine"
WITHHELD: Final = "withheld"
SEALED: Final = "sealed"
PLACES: Final = (QUARANTINE, WITHHELD, SEALED)

_IDS_AT_ONCE: Final = 10_000


@dataclass(slots=True)
class NamedFiles:
    """What was found in the sealed folder."""

    named: dict[str, str] = field(default_factory=dict)  # old file name -> new; in a dry run: that it would get
    rows: int = 0  # in them
    left: dict[str, str] = field(default_factory=dict)  # file name -> why it stays as it is


@dataclass(frozen=True, slots=True, kw_only=True)
class RequeueReport:
    """What a run did, or in a dry run would do. None: that place was not looked at."""

    dry_run: bool
    quarantine: Requeued | None
    withheld: Requeued | None
    sealed: NamedFiles | None
    drained_rows: int  # of what was taken in, and of whatever else waited in the inbox

    @property
    def left(self) -> Counter[str]:
        """What stays where it is, by reason."""
        found = Counter[str]()
        for place in (self.quarantine, self.withheld):
            found += place.left if place else Counter()
        return found + Counter(self.sealed.left.values() if self.sealed else ())


def requeue(*, places: Sequence[str] = PLACES, dry_run: bool = False, progress: Progress = silent) -> RequeueReport:
    """Take in again what can be stored by now, and drain. What cannot stays where it is, byte for byte.

    Raises JobBusy while another process requeues, ArchiveBusy while one archives (before anything is changed in the
    sealed folder), InboxError or LiveDatabaseError when records cannot be stored; run it again then: none is stored
    twice.
    """
    with capture_requeue.alone():
        quarantine = (
            capture_requeue.requeue_quarantine(dry_run=dry_run, progress=progress) if QUARANTINE in places else None
        )
        withheld = capture_requeue.requeue_withheld(dry_run=dry_run, progress=progress) if WITHHELD in places else None
        rows = 0 if dry_run else drain_captures(progress=progress).rows
        sealed = name_sealed_files(dry_run=dry_run, progress=progress) if SEALED in places else None
    return RequeueReport(dry_run=dry_run, quarantine=quarantine, withheld=withheld, sealed=sealed, drained_rows=rows)


def name_sealed_files(*, dry_run: bool = False, progress: Progress = silent) -> NamedFiles:
    """Give each file of the sealed folder that holds our table, and is no chunk by name, the name of a chunk."""
    folder, found = sealed_folder(), NamedFiles()
    if not folder.is_dir():
        return found
    with only_run(folder, archive_settings().zip_path):
        strays = sorted(path for path in folder.glob(f"*{CHUNK_SUFFIX}") if not is_chunk_name(path.stem))
        for number, path in enumerate(strays):
            progress("looking at the sealed folder", number, len(strays))
            try:
                _name(path, found, dry_run=dry_run)
            except ArchiveDamaged as error:
                found.left[path.name] = str(error)
        if not dry_run:
            _index_new(sealed_files(folder))
    return found


def _name(path: Path, found: NamedFiles, *, dry_run: bool) -> None:
    """Rename the file. Raises ArchiveDamaged when it is to stay as it is."""
    if path.is_symlink() or not path.is_file():
        raise ArchiveDamaged(f"{path.name}: it is no regular file")
    if path.with_name(path.name + ".wal").exists():
        raise ArchiveDamaged(f"{path.name}: a write-ahead log is beside it; DuckDB takes it in when it opens the file")
    name = chunk_name(datetime.fromtimestamp(path.stat().st_mtime, UTC), _taken_names())
    with reading_session(capture_settings().data_dir) as (connection, _):
        attach_chunk(connection, path, CHUNK)
        rows = sum(_refuse_known(path, ids) for ids in _ids(connection))
    if not dry_run:
        path.rename(path.with_name(name + CHUNK_SUFFIX))
        fsync_directory(path.parent)
    found.named[path.name] = name + CHUNK_SUFFIX
    found.rows += rows


def _index_new(files: Sequence[Path]) -> None:
    """Index the sealed files of which the index knows nothing: those just named, now or in a run that was killed."""
    for path in files:
        with reading_session(capture_settings().data_dir) as (connection, _):
            attach_chunk(connection, path, CHUNK)
            generation = table_comment(connection, CHUNK) or path.stem  # as the archive run will have it
            if not ExampleIndex.objects.filter(generation=generation).exists():
                index_examples(connection, f"{CHUNK}.{TABLE}", generation)


def _taken_names() -> set[str]:
    return {path.stem for path in sealed_files()} | set(ArchivedChunk.objects.values_list("name", flat=True))


def _refuse_known(path: Path, ids: Sequence[str]) -> int:
    """How many they are. As a chunk, what is stored already would be archived twice, and what was erased be back."""
    if stored_ids(ids) or forgotten_ids(ids):
        raise ArchiveDamaged(
            f"{path.name}: some of its examples are stored already, or were erased on request; import it with "
            "`manage.py import_examples`, which takes the others"
        )
    return len(ids)


def _ids(connection: DuckDBPyConnection) -> Iterator[list[str]]:
    found = connection.execute(f"SELECT replace({PRIMARY_KEY}, chr(0), ' ') FROM {CHUNK}.{TABLE}")
    while rows := found.fetchmany(_IDS_AT_ONCE):
        yield [example_id for (example_id,) in rows]
