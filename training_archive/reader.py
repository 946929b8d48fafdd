"""The one door to archived examples, for everything downstream. Memory stays bounded however large the archive is.

`zip_path` is the active ZIP everywhere (default: the configured one); the dated ones beside it belong to it.

from training_archive.reader import iter_examples

for example in iter_examples(task="productpage_extractor", columns=["prompt_text", "response_strong"]):
    ...
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from zipfile import ZipFile

from duckdb import DuckDBPyConnection

from capture_app.duckdb_files import count_rows, create_examples_table, duckdb_session
from capture_app.example import COLUMNS, JSON_COLUMNS, PRIMARY_KEY, TABLE
from capture_app.files import scratch_directory
from capture_app.progress import Progress, silent
from training_archive.archive_set import open_archive
from training_archive.chunks import MEMORY_MB, Sidecar, attach_chunk
from training_archive.compaction import add_new_rows
from training_archive.conf import archive_settings
from training_archive.zip_archive import ChunkMember, extract_chunk, list_all_chunks, read_sidecar

CHUNK: Final = "gleaner_chunk"  # what an attached chunk is called in SQL
_ROWS_AT_ONCE: Final = 500


def iter_chunks(zip_path: Path | None = None) -> Iterator[Sidecar]:
    """What is in the archive, chunk by chunk, from the sidecars alone. Nothing is extracted."""
    with open_archive(zip_path or archive_settings().zip_path) as archives:
        for archive in archives:
            for member in list_all_chunks(archive):
                yield read_sidecar(archive, member)


def iter_examples(
    zip_path: Path | None = None,
    *,
    task: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    columns: Sequence[str] | None = None,
    progress: Progress = silent,
) -> Iterator[dict[str, Any]]:
    """Every archived example once, chunk by chunk, oldest chunk first; within a chunk in no promised order.

    `since` is included, `until` is not; both must be aware. `columns` are names from COLUMNS (default: all).
    `metadata` and `slot_specs` come as dicts, `created_at` as an aware datetime. When several chunks hold an id, the
    first one wins.

    Raises ValueError for an unknown column or a naive time, ArchiveError or ArchiveDamaged for the ZIP.
    """
    names = _checked_columns(columns)
    condition, values = _condition(task, since, until)
    return _examples(zip_path, names, condition, values, progress)


def _examples(
    zip_path: Path | None, names: Sequence[str], condition: str, values: Sequence[Any], progress: Progress
) -> Iterator[dict[str, Any]]:
    with reading_session() as (connection, scratch):
        connection.execute(f"CREATE TABLE seen ({PRIMARY_KEY} VARCHAR)")
        for _ in attached_chunks(connection, zip_path, scratch, progress):
            found = connection.execute(
                f"SELECT {', '.join(names)} FROM {CHUNK}.{TABLE} "
                f"WHERE {condition} AND {PRIMARY_KEY} NOT IN (FROM seen)",
                values,
            )
            while rows := found.fetchmany(_ROWS_AT_ONCE):
                for row in rows:
                    yield _example(names, row)
            connection.execute(f"INSERT INTO seen SELECT {PRIMARY_KEY} FROM {CHUNK}.{TABLE}")


def load_into(
    connection: DuckDBPyConnection, zip_path: Path | None = None, *, table: str = TABLE, progress: Progress = silent
) -> int:
    """Merge all chunks into `table` of your own DuckDB connection, made if missing; the number of rows added.

    The first chunk to hold an id wins, and rows that are there already stay as they are.
    """
    create_examples_table(connection, table)
    before = count_rows(connection, table)
    with TemporaryDirectory(prefix="gleaner-") as folder:
        for _ in attached_chunks(connection, zip_path, Path(folder), progress):
            add_new_rows(connection, f"{CHUNK}.{TABLE}", table)
    return count_rows(connection, table) - before


@contextmanager
def reading_session(data_dir: Path | None = None) -> Iterator[tuple[DuckDBPyConnection, Path]]:
    """A DuckDB session to attach chunks to, and a folder to extract them into.

    Whoever writes in the data directory takes it from there, where the next run removes what a killed one left.
    """
    folder = scratch_directory(data_dir) if data_dir else TemporaryDirectory(prefix="gleaner-")
    with folder as scratch, duckdb_session(scratch=Path(scratch), memory_mb=MEMORY_MB) as connection:
        yield connection, Path(scratch)


def attached_chunks(
    connection: DuckDBPyConnection,
    zip_path: Path | None,
    scratch: Path,
    progress: Progress,
    *,
    is_wanted: Callable[[str], bool] = lambda name: True,
) -> Iterator[Sidecar]:
    """Extract one chunk after the other and attach it as CHUNK; each is detached and deleted before the next.

    Chunks whose names are not wanted are passed over, and cost nothing.
    """
    with open_archive(zip_path or archive_settings().zip_path) as archives:
        for archive in archives:
            for member in list_all_chunks(archive):
                if is_wanted(member.name):
                    yield from _attached(connection, archive, member, scratch, progress)


def _attached(
    connection: DuckDBPyConnection, archive: ZipFile, member: ChunkMember, scratch: Path, progress: Progress
) -> Iterator[Sidecar]:
    path = extract_chunk(archive, member, scratch, progress)
    attach_chunk(connection, path, CHUNK)
    try:
        yield read_sidecar(archive, member)
    finally:
        connection.execute(f"DETACH {CHUNK}")
        path.unlink()


def _checked_columns(columns: Sequence[str] | None) -> list[str]:
    names = list(COLUMNS) if columns is None else list(columns)
    unknown = sorted(set(names) - set(COLUMNS))
    if unknown or not names:
        raise ValueError(f"No such column: {', '.join(unknown) or '(none given)'}. There are {', '.join(COLUMNS)}.")
    return names


def _condition(task: str | None, since: datetime | None, until: datetime | None) -> tuple[str, list[Any]]:
    parts, values = ["true"], list[Any]()
    for part, value in (("task = ?", task), ("created_at >= ?", _utc(since)), ("created_at < ?", _utc(until))):
        if value is not None:
            parts.append(part)
            values.append(value)
    return " AND ".join(parts), values


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone; say which, for example with tzinfo=UTC.")
    return moment.astimezone(UTC).replace(tzinfo=None)


def _example(names: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    example = dict(zip(names, row, strict=True))
    for name in JSON_COLUMNS:
        if name in example:
            example[name] = _json_object(example[name])
    if example.get("created_at") is not None:
        example["created_at"] = example["created_at"].replace(tzinfo=UTC)
    return example


def _json_object(text: str | None) -> dict[str, Any]:
    """What is no object counts as {}: chunks come from elsewhere too, and DuckDB's JSON is laxer than the standard."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
