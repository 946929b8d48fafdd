"""The scratch database of one export: examples are copied into it, and every stage decides about them there.

Tables, all in a file that is removed afterwards, so that memory stays bounded however many examples there are:

    judged, corrections                           what people said of examples in Django's database; see annotations
    sources   number, name                        where examples were taken from
    examples  the fifteen columns, source, facts  all that pass the filters; an id may come from several sources
    keys      row, id, ...                        each id once, without its text; `row` is examples' rowid
    left_out  row, reason                         what a stage decided against
    alive     a view: keys without left_out

A stage that reads rows in Python and writes others takes a cursor for each: a connection holds one result at a time.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from duckdb import DuckDBPyConnection, InterruptException
from duckdb import Error as DuckDBError

from capture_app.duckdb_files import attach, duckdb_session
from capture_app.example import COLUMNS

ALIAS: Final = "work"
ROWS_AT_ONCE: Final = 1000  # fetched or inserted
_TUNING = (
    "SET force_compression = 'uncompressed'",  # read once or twice, then thrown away: not worth compressing
    "SET preserve_insertion_order = false",  # every reader asks for the order that it needs
    "SET checkpoint_threshold = '1GB'",
    "PRAGMA disable_checkpoint_on_shutdown",  # of a file that is then removed
    # In 2.0.0 it turns `QUALIFY row_number() ... = 1` over a rowid into a plan that ends in an internal error.
    "SET disabled_optimizers = 'top_n_window_elimination'",
)
# What is known of an example beside its columns; see sources.FACTS.
_FACTS = {
    "source": "INTEGER",
    "bytes": "BIGINT",
    "rating": "DOUBLE",
    "corrected": "BOOLEAN",
    "usable": "BOOLEAN",
    "shadow": "BOOLEAN",
    "label": "VARCHAR",
    "domain": "VARCHAR",
    "prompt": "VARCHAR",
    "unit": "VARCHAR",
    "attachments": "VARCHAR",
    "question": "VARCHAR",
    "answer": "VARCHAR",
}


@dataclass(frozen=True, slots=True)
class Workspace:
    """The scratch database, and the folder that it lies in."""

    connection: DuckDBPyConnection
    scratch: Path
    memory_mb: int  # DuckDB's

    def execute(self, statement: str, values: Sequence[Any] = ()) -> None:
        """Run a statement of which the result is not wanted."""
        self.connection.execute(statement, list(values)).fetchall()

    def rows(self, query: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query on a cursor of its own, a few at a time."""
        for batch in self.batches(query, values):
            yield from batch

    def batches(self, query: str, values: Sequence[Any] = ()) -> Iterator[list[tuple[Any, ...]]]:
        """As `rows`, ROWS_AT_ONCE of them in each list."""
        cursor = self.connection.cursor()
        try:
            found = cursor.execute(query, list(values))
            while batch := found.fetchmany(ROWS_AT_ONCE):
                yield batch
        finally:
            cursor.close()

    def insert(self, table: str, types: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Insert rows, whose columns have these SQL types, many at a time, each column of them as one list."""
        values = ", ".join(f"unnest(?::{kind}[])" for kind in types)
        remaining = iter(rows)
        while batch := list(islice(remaining, ROWS_AT_ONCE)):
            columns = [list(column) for column in zip(*batch, strict=True)]
            self.execute(f"INSERT INTO {ALIAS}.{table} SELECT {values}", columns)

    @contextmanager
    def less_memory(self, share: int) -> Iterator[None]:
        """Make do with one `share`-th of the memory, while somebody else needs some."""
        self.execute(f"SET memory_limit = '{self.memory_mb // share}MB'")
        try:
            yield
        finally:
            self.execute(f"SET memory_limit = '{self.memory_mb}MB'")

    def leave_out(self, reason: str, rows: str) -> None:
        """Note `reason` for the rows that the query `rows` gives."""
        self.execute(f"INSERT INTO {ALIAS}.left_out SELECT row, ? FROM ({rows})", [reason])


@contextmanager
def explained(refusal: type[Exception]) -> Iterator[None]:
    """DuckDB's errors within it are raised as `refusal`, in words, and its interruption as Ctrl-C."""
    try:
        yield
    except InterruptException as error:
        raise KeyboardInterrupt from error
    except DuckDBError as error:
        problem = str(error).splitlines()[0]  # its internal errors add a stack
        raise refusal(
            f"DuckDB could not go on: {problem} Nothing was written, and no example is lost. Free space or memory if "
            "that is the cause, and run the export again."
        ) from error


@contextmanager
def open_workspace(scratch: Path, memory_mb: int) -> Iterator[Workspace]:
    """A new scratch database in the folder, of which DuckDB keeps `memory_mb` megabytes in memory."""
    path = scratch / "export.duckdb"
    path.unlink(missing_ok=True)  # of a try with less memory; without it, DuckDB removes the log that is left of it
    with duckdb_session(scratch=scratch, memory_mb=memory_mb) as connection:
        attach(connection, path, ALIAS)
        for statement in _TUNING:
            connection.execute(statement)
        columns = ", ".join(f"{name} {kind}" for name, kind in {**COLUMNS, **_FACTS}.items())
        connection.execute(f"CREATE TABLE {ALIAS}.examples ({columns})")
        connection.execute(f"CREATE TABLE {ALIAS}.sources (number INTEGER, name VARCHAR)")
        connection.execute(f"CREATE TABLE {ALIAS}.left_out (row BIGINT, reason VARCHAR)")
        yield Workspace(connection, scratch, memory_mb)
