"""DuckDB files, opened safely: an in-memory instance with bounded memory, to which files are attached by name.

Nothing here knows what a file is for. A connection never outlives the `with` block that opened it, because one that is
open across a fork corrupts its file.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

import duckdb
from duckdb import DuckDBPyConnection

from capture_app.example import COLUMNS, PRIMARY_KEY, TABLE

# Old enough for older releases of DuckDB to open our files, young enough for zstd.
STORAGE_VERSION: Final = "v1.2.0"

Result = TypeVar("Result")

logger = logging.getLogger("capture_app")

_MOST_MEMORY = 32
_NO_MEMORY = re.compile("could not allocate|failed to (allocate|pin)|Out of Memory")
_THREADS = 2  # memory grows with threads; two keep a small machine busy


@contextmanager
def duckdb_session(*, scratch: Path, memory_mb: int) -> Iterator[DuckDBPyConnection]:
    """An in-memory DuckDB that spills to `scratch`, loads no extension and lets go of every file at the end."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": str(_THREADS),
        "memory_limit": f"{memory_mb}MB",
        "temp_directory": str(scratch),
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    connection = duckdb.connect(":memory:", config=config)
    try:
        yield connection
    finally:
        connection.close()


def with_enough_memory(work: Callable[[int], Result], memory_mb: int) -> Result:
    """work(memory_mb), again with twice as much each time DuckDB runs out of it, up to _MOST_MEMORY times as much.

    A few enormous records must not stop everything behind them; records of the usual size never come here.
    """
    limit = memory_mb
    while True:
        try:
            return work(limit)
        except Exception as error:  # only a lack of memory is handled here; everything else goes on
            if limit >= _MOST_MEMORY * memory_mb or not _is_lack_of_memory(error):
                raise
        limit *= 2
        logger.warning("DuckDB ran out of memory; trying again with %d MB.", limit)


def _is_lack_of_memory(error: BaseException) -> bool:
    """Whether DuckDB, perhaps behind an error of ours, says so; a checkpoint reports it as an error of its own kind."""
    for found in (error, error.__cause__):
        if isinstance(found, duckdb.OutOfMemoryException):
            return True
        if isinstance(found, duckdb.Error) and _NO_MEMORY.search(str(found)):
            return True
    return False


def attach(
    connection: DuckDBPyConnection,
    path: Path,
    alias: str,
    *,
    read_only: bool = False,
    row_group_size: int | None = None,
) -> None:
    """Attach the file under `alias`. A new file gets STORAGE_VERSION; `row_group_size` is in rows."""
    options = ["READ_ONLY"] if read_only else [f"STORAGE_VERSION '{STORAGE_VERSION}'"]
    if row_group_size is not None and not read_only:
        options.append(f"ROW_GROUP_SIZE {row_group_size}")
    connection.execute(f"ATTACH {quoted(str(path))} AS {alias} ({', '.join(options)})")


def is_duckdb_file(path: Path) -> bool:
    """Whether the file says that it is one. Not for the live database: its bytes are DuckDB's alone."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(12)[8:] == b"DUCK"


def create_examples_table(
    connection: DuckDBPyConnection, table: str, compression: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Make `table` (qualified, if it lies in an attached file) with the columns of an example, unless it is there.

    `compression` names DuckDB's methods by column; for the others DuckDB chooses.
    """
    columns = ", ".join(_definition(name, compression.get(name)) for name in COLUMNS)
    connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")


def _definition(name: str, compression: str | None) -> str:
    key = " PRIMARY KEY" if name == PRIMARY_KEY else ""
    return f"{name} {COLUMNS[name]}{key}{f' USING COMPRESSION {compression}' if compression else ''}"


def table_comment(connection: DuckDBPyConnection, alias: str) -> str:
    """The comment on the examples table, where a live database keeps its generation; "" when it has none."""
    query = "SELECT max(comment) FROM duckdb_tables() WHERE database_name = ? AND table_name = ?"
    return str(scalar(connection, query, [alias, TABLE]) or "")


def quoted(text: str) -> str:
    """`text` as an SQL string literal, for the few statements that take no parameters."""
    return "'" + text.replace("'", "''") + "'"


def count_rows(connection: DuckDBPyConnection, table: str) -> int:
    return int(scalar(connection, f"SELECT count(*) FROM {table}"))


def scalar(connection: DuckDBPyConnection, query: str, values: Sequence[Any] = ()) -> Any:
    """The value of a query with one. It is fetched to the end: a result left open blocks the connection's next user."""
    [(value,)] = connection.execute(query, list(values)).fetchall()
    return value
