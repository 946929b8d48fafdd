"""The live database: the one DuckDB file that drains fill and archive runs take away. No other module opens it.

DuckDB lets one process open a file read-write, and meanwhile nobody else even read-only. So every use happens inside
`lock_live_database`, briefly, with a connection that is closed before the lock is released.
"""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import duckdb
from duckdb import DuckDBPyConnection
from filelock import FileLock, Timeout

from capture_app.conf import capture_settings
from capture_app.duckdb_files import (
    attach,
    count_rows,
    create_examples_table,
    duckdb_session,
    quoted,
    scalar,
    table_comment,
)
from capture_app.example import COLUMNS, TABLE
from capture_app.exceptions import LiveDatabaseBusy, LiveDatabaseError
from capture_app.files import fsync_directory, scratch_directory

ALIAS: Final = "live"

LOCK_TIMEOUT: Final = 60.0  # seconds; holders need well under one
_POLL_INTERVAL = 0.005  # filelock's own 50 ms lets two busy processes starve a third

# A checkpoint rewrites the row group it appends to; small ones keep its cost flat however many rows there are.
_ROW_GROUP_SIZE = 2048
# Compressing is the archive's work: done here, it holds the lock a quarter longer. Order is given up, as ids have it.
_TUNING = (
    "SET force_compression = 'uncompressed'",
    "SET checkpoint_threshold = '1GB'",
    "SET preserve_insertion_order = false",
)

_COLUMN_TYPES = ", ".join(f"{name}: '{kind}'" for name, kind in COLUMNS.items())
# read_json's buffers grow with the largest record it must expect, in bytes. Larger ones take the careful way.
_USUAL_RECORD = 8 * 2**20

# What a record can do wrong. A full disk or a lack of memory is none of these, and says nothing about the record.
RECORD_ERRORS = (duckdb.DataError, duckdb.ProgrammingError, duckdb.IntegrityError)


@contextmanager
def lock_live_database(path: Path, *, timeout: float = LOCK_TIMEOUT) -> Iterator["LiveDatabase"]:
    """Hold the lock of the live database at `path`; LiveDatabaseBusy after `timeout` seconds of waiting."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Made at each use: a FileLock from before a fork raises in the child.
    lock = FileLock(lock_path(path), timeout=timeout, poll_interval=_POLL_INTERVAL)
    try:
        lock.acquire()
    except Timeout as error:
        raise LiveDatabaseBusy(
            f"{lock_path(path)} was held by another process for {timeout:.0f} s. Captured calls are safe in the "
            "inbox. Try again; if it persists, look for a process that is stopped or hangs."
        ) from error
    try:
        yield LiveDatabase(path)
    finally:
        lock.release()


def lock_path(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


class LiveDatabase:
    """What can be done with the live database while its lock is held. Only lock_live_database makes one."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def connect(self, *, read_only: bool = False) -> Iterator[DuckDBPyConnection]:
        """A session of its own, with the database attached as ALIAS."""
        with live_session(self.path.parent) as connection, self.attached(connection, read_only=read_only):
            yield connection

    @contextmanager
    def attached(self, connection: DuckDBPyConnection, *, read_only: bool = False) -> Iterator[None]:
        """Attach the database as ALIAS, made if missing; at the end it is checkpointed and detached."""
        with _explained(self.path):
            if not read_only and not self.path.exists():
                # Made elsewhere first: a file that a full disk or a kill left unfinished would never open again.
                create_live_database(fresh_path(self.path)).rename(self.path)
            attach(connection, self.path, ALIAS, read_only=read_only, row_group_size=_ROW_GROUP_SIZE)
            try:
                if not read_only:
                    _prepare(connection)
                yield
            finally:
                connection.execute(f"DETACH {ALIAS}")

    def count_rows(self) -> int:
        """Rows in the live database, 0 when there is none yet."""
        if not self.path.exists():
            return 0
        with self.connect(read_only=True) as connection:
            return count_rows(connection, f"{ALIAS}.{TABLE}")

    def rotate(self, sealed: Path, fresh: Path) -> None:
        """Rename the live database to `sealed` and the database `fresh` into its place.

        Costs two renames, whatever the size. Killed between them, it leaves none; the next use makes one.
        """
        log = _write_ahead_log(self.path)
        if log.exists():  # only after a crash: every connection checkpoints as it closes
            with self.connect():
                pass
        if log.exists():
            raise LiveDatabaseError(f"{log} did not go away with a checkpoint; nothing was rotated.")
        self.path.rename(sealed)
        fresh.rename(self.path)
        fsync_directory(sealed.parent)
        fsync_directory(self.path.parent)


def fresh_path(path: Path) -> Path:
    """Where the successor of the live database at `path` is made."""
    return path.with_name(f".{path.name}.fresh")


def create_live_database(path: Path) -> Path:
    """A new, empty live database at `path`, in the place of whatever an interrupted run left there."""
    path.unlink(missing_ok=True)
    _write_ahead_log(path).unlink(missing_ok=True)
    with _explained(path), live_session(path.parent) as connection:
        attach(connection, path, ALIAS, row_group_size=_ROW_GROUP_SIZE)
        _prepare(connection)
        connection.execute(f"DETACH {ALIAS}")
    return path


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise LiveDatabaseError(
            f"The live database {path} cannot be used: {error} Captured calls are safe in the inbox. Free space or "
            "memory if that is the cause; a damaged file can be moved aside, and a new one is made."
        ) from error


def _write_ahead_log(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def records(files: Sequence[Path], *, largest_record: int = _USUAL_RECORD) -> str:
    """SQL for the records in `files` (JSON lines) as a table with the columns of an example."""
    paths = ", ".join(quoted(str(file)) for file in files)
    return (
        f"read_json([{paths}], format = 'newline_delimited', compression = 'uncompressed', "
        f"columns = {{{_COLUMN_TYPES}}}, maximum_object_size = {largest_record})"
    )


def ingest(connection: DuckDBPyConnection, source: str) -> int:
    """Insert `source` (see `records`) in one transaction; the number of rows that were not there yet.

    All or nothing: raises one of RECORD_ERRORS when any record cannot be stored.
    """
    try:
        return _insert(connection, source, "")
    except duckdb.ConstraintException:
        # Only a drain that is repeated meets ids that are there; looking out for them always would slow down all.
        return _insert(connection, source, "ON CONFLICT DO NOTHING")


def _insert(connection: DuckDBPyConnection, source: str, conflict: str) -> int:
    connection.execute("BEGIN")
    try:
        inserted = scalar(connection, f"INSERT INTO {ALIAS}.{TABLE} FROM {source} {conflict}")
        connection.execute("COMMIT")
    except BaseException:
        with suppress(duckdb.Error):  # a COMMIT that fails has rolled back already
            connection.execute("ROLLBACK")
        raise
    return int(inserted)


def generation(connection: DuckDBPyConnection) -> str:
    """What tells this live database from every other: it stays the file's own when the file is sealed and archived."""
    return table_comment(connection, ALIAS)


@contextmanager
def live_session(data_dir: Path, memory_mb: int | None = None) -> Iterator[DuckDBPyConnection]:
    """A DuckDB session to attach the live database to, while its lock is held. It may last over several such times."""
    memory_mb = memory_mb or capture_settings().memory_mb
    with scratch_directory(data_dir) as scratch, duckdb_session(scratch=scratch, memory_mb=memory_mb) as connection:
        for statement in _TUNING:
            connection.execute(statement)
        yield connection


def _prepare(connection: DuckDBPyConnection) -> None:
    create_examples_table(connection, f"{ALIAS}.{TABLE}")
    if not generation(connection):
        connection.execute(f"COMMENT ON TABLE {ALIAS}.{TABLE} IS '{uuid.uuid4().hex}'")
