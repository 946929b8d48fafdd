"""The way that needs no thought: every call opens the DuckDB file; the archive run copies it under the same lock."""

import json
import shutil
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import orjson
from filelock import FileLock

from benchmarks.measure import timed
from capture_app.duckdb_files import create_examples_table, quoted, scalar
from capture_app.example import COLUMNS, JSON_COLUMNS, TABLE

_PLACES = ", ".join("?" for _ in COLUMNS)


def row_of(record: dict[str, Any]) -> list[Any]:
    """The values of a record as a database takes them: JSON as text."""
    return [orjson.dumps(record[name]).decode() if name in JSON_COLUMNS else record[name] for name in COLUMNS]


def make_live(path: Path) -> None:
    """A new database as `duckdb.connect` makes it, with the table of examples and its primary key."""
    with duckdb.connect(path) as connection:
        create_examples_table(connection, TABLE)


def insert(path: Path, record: dict[str, Any]) -> None:
    """One recorded call: lock, connect, INSERT, close."""
    with FileLock(f"{path}.lock"), duckdb.connect(path) as connection:
        connection.execute(f"INSERT INTO {TABLE} VALUES ({_PLACES})", row_of(record))


def load(path: Path, files: Sequence[Path], *, primary_key: bool) -> None:
    """All records of the JSON-lines files into a new database with one INSERT ... FROM read_json; nothing else."""
    types = ", ".join(f"{name}: '{kind}'" for name, kind in COLUMNS.items())
    paths = ", ".join(quoted(str(file)) for file in files)
    with duckdb.connect(path) as connection:
        if primary_key:
            create_examples_table(connection, TABLE)
        else:
            connection.execute(f"CREATE TABLE {TABLE} ({', '.join(map(' '.join, COLUMNS.items()))})")
        connection.execute(
            f"INSERT INTO {TABLE} FROM read_json([{paths}], format = 'newline_delimited', columns = {{{types}}})"
        )


def copy_of(live: Path, path: Path) -> None:
    """The rows of our live database at `live` in a new database as `duckdb.connect` makes it."""
    make_live(path)
    with duckdb.connect(path) as connection:
        connection.execute(f"ATTACH {quoted(str(live))} AS ours (READ_ONLY)")
        connection.execute(f"INSERT INTO {TABLE} FROM ours.{TABLE}")


def take_away(live: Path, copy: Path) -> float:
    """Copy the live database, count, and clear it, all under the lock; the seconds for which the lock was held."""
    with FileLock(f"{live}.lock"), timed() as held:
        shutil.copy(live, copy)
        with duckdb.connect(copy) as connection:
            scalar(connection, f"SELECT count(*) FROM {TABLE}")
        live.unlink()
        make_live(live)
    return held.seconds


def archive(live: Path, zip_path: Path) -> float:
    """Take the database away, optimise the copy, and append it and its sidecar to the ZIP with deflate 9.

    Gives the seconds for which the lock was held.
    """
    name = f"llm_training_chunk_{datetime.now(UTC):%Y%m%dT%H%M%S}"
    copy = live.with_name(f"{name}.duckdb")
    held = take_away(live, copy)
    with duckdb.connect(copy) as connection:
        connection.execute("VACUUM")
        connection.execute("CHECKPOINT")
        rows = scalar(connection, f"SELECT count(*) FROM {TABLE}")
    with zipfile.ZipFile(zip_path, "a", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        target.write(copy, copy.name)
        target.writestr(f"{name}.json", json.dumps({"rows": rows, "timestamp": datetime.now(UTC).isoformat()}))
    copy.unlink()
    return held
