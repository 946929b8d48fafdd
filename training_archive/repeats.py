"""Calls that asked the same lie side by side in a chunk, where zstd stores what they share once.

zstd sees 2,048 rows at a time, and the same question comes again hours later. DuckDB sorts rows this wide only when
it may hold most of them in memory, so only those whose prompt repeats are moved: parted by its hash into files that
are small enough to be sorted in memory, one after the other. A prompt so common that zstd finds it several times
wherever it looks is left where it is: there is next to nothing to gain, and it would fill a file alone.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from duckdb import DuckDBPyConnection

from capture_app.duckdb_files import count_rows, quoted, scalar
from capture_app.example import COLUMNS, PRIMARY_KEY

_NAMES: Final = ", ".join(COLUMNS)
_PART_BYTES: Final = 2**25  # DuckDB sorts as much within the memory that a chunk may take
_MOST_PARTS: Final = 128  # files that are open at once
_BUFFER_BYTES: Final = 2**25  # of rows that wait to be written to their parts
_MOST_BUFFERED_ROWS: Final = 2048
_SEEN_ROWS: Final = 2048  # by zstd, at a time
_COMMON: Final = 8  # so often among _SEEN_ROWS, on average
_SAMPLE_ROWS: Final = 2048


def insert_side_by_side(connection: DuckDBPyConnection, source: str, target: str, *, scratch: Path) -> None:
    """Insert the examples of `source`, a table or a query in parentheses, into the new table `target`.

    `scratch` takes a copy of the examples whose prompt repeats.
    """
    most = _COMMON * ceil(count_rows(connection, source) / _SEEN_ROWS)
    connection.execute(
        "CREATE TEMP TABLE repeated AS SELECT hash(prompt_hash) AS likeness, count(*) AS examples "
        f"FROM {source} GROUP BY ALL HAVING examples BETWEEN 2 AND {most}"
    )
    with _parted(connection, source, scratch) as parts:
        # One transaction: a second one would write the last row group anew and leave the first copy in the file.
        connection.execute("BEGIN")
        connection.execute(
            f"INSERT INTO {target} ({_NAMES}) SELECT {_NAMES} FROM {source} "
            "ANTI JOIN repeated ON hash(prompt_hash) = likeness"
        )
        for files in parts:
            connection.execute(f"INSERT INTO {target} ({_NAMES}) SELECT {_NAMES} FROM {_sorted(files)}")
        connection.execute("COMMIT")
    connection.execute("DROP TABLE repeated")


@contextmanager
def _parted(connection: DuckDBPyConnection, source: str, scratch: Path) -> Iterator[list[list[Path]]]:
    """The Parquet files of each part: the examples whose prompt repeats, all those with one prompt in one part."""
    repeats = int(scalar(connection, "SELECT coalesce(sum(examples), 0) FROM repeated"))
    if not repeats:
        yield []
        return
    row_bytes = _row_bytes(connection, source)
    parts = min(_MOST_PARTS, ceil(repeats * row_bytes / _PART_BYTES))
    buffered = int(_BUFFER_BYTES / (parts * row_bytes))
    connection.execute(f"SET partitioned_write_flush_threshold = {min(_MOST_BUFFERED_ROWS, max(1, buffered))}")
    connection.execute(f"SET partitioned_write_max_open_files = {_MOST_PARTS}")
    with TemporaryDirectory(dir=scratch) as folder:
        connection.execute(
            f"COPY (SELECT {_NAMES}, likeness % {parts} AS part FROM {source} "
            f"JOIN repeated ON hash(prompt_hash) = likeness) TO {quoted(folder)} "
            "(FORMAT parquet, PARTITION_BY part, COMPRESSION uncompressed, OVERWRITE_OR_IGNORE)"
        )
        yield [sorted(part.iterdir()) for part in sorted(Path(folder).iterdir())]


def _row_bytes(connection: DuckDBPyConnection, source: str) -> int:
    """What an example takes in memory, roughly: the mean over the first ones."""
    size = " + ".join(f"coalesce(strlen({name}::VARCHAR), 0)" for name in COLUMNS)
    return 1 + int(scalar(connection, f"SELECT avg({size}) FROM (FROM {source} LIMIT {_SAMPLE_ROWS})"))


def _sorted(files: Sequence[Path]) -> str:
    """SQL for a part's examples by prompt and time; of one that is too large to be sorted, as they came."""
    table = f"read_parquet([{', '.join(quoted(str(file)) for file in files)}], hive_partitioning = false)"
    fits = sum(file.stat().st_size for file in files) <= 2 * _PART_BYTES
    return f"{table} ORDER BY prompt_hash, {PRIMARY_KEY}" if fits else table
