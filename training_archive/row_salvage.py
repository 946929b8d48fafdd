"""The rows of a database that DuckDB still opens although some of its bytes are damaged.

DuckDB keeps a checksum over each of its blocks and refuses one that is not what it was. A row is readable when the
blocks of all its columns are; DuckDB reads rows by the vector, so that is the smallest stretch to ask for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from capture_app.duckdb_files import attach, create_examples_table, duckdb_session, scalar, with_enough_memory
from capture_app.example import COLUMNS, PRIMARY_KEY, TABLE
from capture_app.progress import Progress, silent
from training_archive.chunks import MEMORY_MB, attach_chunk
from training_archive.exceptions import ArchiveDamaged, ArchiveError

_VECTOR: Final = 2048  # rows; DuckDB's own
_STRETCH: Final = 32 * _VECTOR
_NAMES: Final = ", ".join(COLUMNS)


@dataclass(frozen=True, slots=True)
class SavedRows:
    """How many rows of a damaged table were saved, and how many there were by its own account."""

    saved: int
    total: int


def salvage_rows(damaged: Path, saved: Path, *, scratch: Path, progress: Progress = silent) -> SavedRows:
    """Write the rows of `damaged` that can be read into the new database `saved`; of an id the first one stays.

    Raises ArchiveDamaged when DuckDB does not open the file, or finds no table of ours in it; ArchiveError when there
    is too little disk or memory to save what is readable.
    """
    try:
        return _salvaged(damaged, saved, scratch, progress)
    except duckdb.Error as error:
        raise ArchiveError(
            f"What is readable of {damaged.name} could not be saved: {error} Nothing was changed; free disk or memory, "
            "and repair again."
        ) from error


def _salvaged(damaged: Path, saved: Path, scratch: Path, progress: Progress) -> SavedRows:
    total = with_enough_memory(lambda memory_mb: _end_of_rows(damaged, scratch, memory_mb), MEMORY_MB)
    if total > damaged.stat().st_size:
        raise ArchiveDamaged(f"it claims {total} rows, more than it has bytes")
    readable = []
    for first, end in _readable(damaged, scratch, 0, total):
        readable.append((first, end))
        progress("looking for readable rows", end, total)
    count = with_enough_memory(lambda memory_mb: _copy(damaged, saved, scratch, memory_mb, readable), MEMORY_MB)
    return SavedRows(count, total)


def _end_of_rows(damaged: Path, scratch: Path, memory_mb: int) -> int:
    with duckdb_session(scratch=scratch, memory_mb=memory_mb) as connection:
        attach_chunk(connection, damaged, "damaged")
        try:
            return int(scalar(connection, f"SELECT coalesce(max(rowid) + 1, 0) FROM damaged.{TABLE}"))
        except duckdb.Error as error:
            _raise_lack_of_memory(error)
            raise ArchiveDamaged(f"DuckDB cannot say how many rows it has: {error}") from error


def _readable(damaged: Path, scratch: Path, first: int, end: int) -> Iterator[tuple[int, int]]:
    """The stretches of row numbers, [first, end), in which every column can be read."""
    for begin in range(first, end, _STRETCH):
        yield from _halved(damaged, scratch, begin, min(begin + _STRETCH, end))


def _halved(damaged: Path, scratch: Path, first: int, end: int) -> Iterator[tuple[int, int]]:
    if with_enough_memory(lambda memory_mb: _is_readable(damaged, scratch, memory_mb, first, end), MEMORY_MB):
        yield first, end
        return
    half = (end - first) // 2 // _VECTOR * _VECTOR or _VECTOR
    if first + half < end:
        yield from _halved(damaged, scratch, first, first + half)
        yield from _halved(damaged, scratch, first + half, end)


def _is_readable(damaged: Path, scratch: Path, memory_mb: int, first: int, end: int) -> bool:
    """A session of its own, because an error can leave DuckDB unwilling to go on."""
    try:
        with duckdb_session(scratch=scratch, memory_mb=memory_mb) as connection:
            attach(connection, damaged, "damaged", read_only=True)
            rows = f"FROM damaged.{TABLE} WHERE rowid >= ? AND rowid < ?"
            connection.execute(f"SELECT max(hash({_NAMES})) {rows}", [first, end]).fetchall()
    except duckdb.Error as error:
        _raise_lack_of_memory(error)
        return False
    return True


def _copy(damaged: Path, saved: Path, scratch: Path, memory_mb: int, readable: list[tuple[int, int]]) -> int:
    saved.unlink(missing_ok=True)
    count = 0
    with duckdb_session(scratch=scratch, memory_mb=memory_mb) as connection:
        attach(connection, damaged, "damaged", read_only=True)
        attach(connection, saved, "saved")
        create_examples_table(connection, f"saved.{TABLE}")
        for first, end in readable:
            [(added,)] = connection.execute(
                f"INSERT OR IGNORE INTO saved.{TABLE} ({_NAMES}) SELECT {_NAMES} FROM damaged.{TABLE} "
                f"WHERE rowid >= ? AND rowid < ? AND {PRIMARY_KEY} IS NOT NULL",
                [first, end],
            ).fetchall()
            count += int(added)
        connection.execute("DETACH saved")
    return count


def _raise_lack_of_memory(error: duckdb.Error) -> None:
    """Which is no damage: whoever asked tries again with more."""
    if isinstance(error, duckdb.OutOfMemoryException):
        raise error
