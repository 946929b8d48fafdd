"""One example, whole, from wherever it is by now: the live database, a sealed file, or a chunk in a ZIP.

Examples move in that order, and are looked for in that order, so that none slips through between two places. What
stands in the way is said in words that a person can act on, and is never an exception.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any, Final

import duckdb
from duckdb import DuckDBPyConnection

from capture_app.conf import capture_settings
from capture_app.duckdb_files import duckdb_session, with_enough_memory
from capture_app.example import COLUMNS, TABLE
from capture_app.exceptions import CaptureError, LiveDatabaseBusy
from capture_app.files import scratch_directory
from capture_app.live_database import ALIAS, lock_live_database
from capture_app.models import ExampleIndex, ForgottenExample
from console.example_page.chunk_cache import read_chunk
from training_archive.chunks import MEMORY_MB, attach_chunk
from training_archive.cold.ledger import InColdStorage
from training_archive.exceptions import ArchiveBusy, ArchiveDamaged, ArchiveError
from training_archive.models import ArchivedChunk, ArchivedGeneration
from training_archive.sealed import sealed_files

LIVE: Final = "live database"
SEALED: Final = "sealed file"
CHUNK: Final = "chunk"

_LOCK_SECONDS: Final = 2.0  # that a page waits for the live database
_FOUND = "found"  # what an attached file is called in SQL

Example = Mapping[str, Any]  # by column; `metadata` and `slot_specs` as JSON text, `created_at` aware


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why there is no text to show, in words."""

    title: str
    text: str
    details: str = ""  # what the archive or the database says


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an example is."""

    kind: str  # LIVE, SEALED or CHUNK
    chunk: ArchivedChunk | None = None  # of a CHUNK


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What came of the search: an example, or the trouble with it."""

    place: Place | None = None  # None: it is nowhere to be found
    example: Example | None = None
    trouble: Trouble | None = None


FORGOTTEN: Final = Trouble(
    title="This example was forgotten",
    text="It was erased on request, everywhere, and its text cannot be had back. The receipts of erasures are in the "
    "data directory, in receipts/.",
)
UNKNOWN: Final = Trouble(
    title="No such example is known",
    text="A call that was just made is still in the inbox: `manage.py drain_captures` brings it here, and the worker "
    "does so each minute. An older one may have been pruned with its chunk. If the index is behind, `manage.py "
    "rebuild_example_index` makes it anew.",
)
_BUSY: Final = Trouble(
    title="The live database is in use",
    text=f"A drain or an archive run has held it for {_LOCK_SECONDS:.0f} seconds. Nothing is lost: load this page "
    "again in a moment. If that does not help, `manage.py archive_status` shows what is at work.",
)
_UNREADABLE: Final = "What is in the index is shown. Nothing was changed."
_GONE: Final = Trouble(
    title="The text of this example was not found",
    text="It is in neither the live database, nor a sealed file, nor a known chunk of the archive. If a disk is not "
    "mounted, mount it. `manage.py verify_archive` says what is missing, and `manage.py rebuild_example_index` takes "
    "note of what is gone for good.",
)


def find_row(example_id: str) -> tuple[ExampleIndex | None, Trouble | None]:
    """What the index knows of it, or why it knows nothing."""
    if "\0" in example_id:  # the index has none, and PostgreSQL takes none
        return None, UNKNOWN
    if ForgottenExample.objects.filter(pk=example_id).exists():
        return None, FORGOTTEN
    row = ExampleIndex.objects.filter(pk=example_id).first()
    return row, None if row else UNKNOWN


def place_of(row: ExampleIndex) -> Place:
    """Where the index says it is. An example that is not archived may be live or sealed; which, only reading tells."""
    return _archived_place(row) or Place(kind=LIVE)


def find_example(row: ExampleIndex) -> Found:
    """The whole example."""
    place = _archived_place(row)
    if place is None:
        found = _find_unarchived(row.pk)
        if found:
            return found
        place = _archived_place(row)  # archived while it was looked for
    if place is None or place.chunk is None:
        return Found(trouble=_GONE)
    return _find_in_chunk(row.pk, place, place.chunk)


def _archived_place(row: ExampleIndex) -> Place | None:
    known = ArchivedGeneration.objects.select_related("chunk").filter(pk=row.generation).first()
    return Place(kind=CHUNK, chunk=known.chunk) if known else None


def _find_unarchived(example_id: str) -> Found | None:
    """None: it is neither live nor sealed."""
    try:
        example = _read_live(example_id)
        if example:
            return Found(place=Place(kind=LIVE), example=example)
        example = _read_sealed(example_id)
    except LiveDatabaseBusy:
        return Found(place=Place(kind=LIVE), trouble=_BUSY)
    except (CaptureError, ArchiveError, OSError, duckdb.Error) as error:
        trouble = Trouble(title="The text cannot be read now", text=_UNREADABLE, details=str(error))
        return Found(trouble=trouble)
    return Found(place=Place(kind=SEALED), example=example) if example else None


def _read_live(example_id: str) -> Example | None:
    path = capture_settings().live_database
    if not path.exists():
        return None
    with lock_live_database(path, timeout=_LOCK_SECONDS) as live:
        if not path.exists():  # an archive run was killed between its two renames; the sealed file has all
            return None
        with live.connect(read_only=True) as connection:
            return _select(connection, f"{ALIAS}.{TABLE}", example_id)


def _read_sealed(example_id: str) -> Example | None:
    for path in reversed(sealed_files()):
        try:
            example = _read_file(path, example_id)
        except ArchiveDamaged:
            if path.exists():
                raise
            continue  # archived meanwhile
        if example:
            return example
    return None


def _find_in_chunk(example_id: str, place: Place, chunk: ArchivedChunk) -> Found:
    try:
        example = read_chunk(chunk, lambda path: _read_file(path, example_id))
    except ArchiveBusy as error:
        return Found(place=place, trouble=Trouble(title="The chunk is being unpacked", text=str(error)))
    except InColdStorage as error:
        return Found(place=place, trouble=Trouble(title="Its chunk is in cold storage", text=str(error)))
    except (ArchiveError, OSError, duckdb.Error) as error:
        is_damaged = isinstance(error, ArchiveDamaged | duckdb.Error)
        title = "Its chunk is damaged" if is_damaged else "Its chunk cannot be read now"
        return Found(place=place, trouble=Trouble(title=title, text=_UNREADABLE, details=str(error)))
    return Found(place=place, example=example) if example else Found(place=place, trouble=_GONE)


def _read_file(path: Path, example_id: str) -> Example | None:
    def read(memory_mb: int) -> Example | None:
        with (
            scratch_directory(capture_settings().data_dir) as scratch,
            duckdb_session(scratch=scratch, memory_mb=memory_mb) as connection,
        ):
            attach_chunk(connection, path, _FOUND)
            return _select(connection, f"{_FOUND}.{TABLE}", example_id)

    return with_enough_memory(read, MEMORY_MB)


def _select(connection: DuckDBPyConnection, table: str, example_id: str) -> Example | None:
    conditions = ["id = ?"]
    if " " in example_id:  # the index has a blank where the id has a NUL
        conditions.append("replace(id, chr(0), ' ') = ?")
    for condition in conditions:
        rows = connection.execute(
            f"SELECT {', '.join(COLUMNS)} FROM {table} WHERE {condition} LIMIT 1", [example_id]
        ).fetchall()
        if rows:
            example = dict(zip(COLUMNS, rows[0], strict=True))
            created_at = example["created_at"]
            return {**example, "created_at": created_at and created_at.replace(tzinfo=UTC)}
    return None
