"""Chunks: their names, their sidecars, and how they are opened. How they are made is in `compaction`.

A chunk is a DuckDB file with one table, `examples`, in the schema of capture_app.example.COLUMNS. Its sidecar is a
JSON file of the same name that says what is in it.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

import duckdb
import orjson
from duckdb import DuckDBPyConnection

from capture_app.duckdb_files import (
    STORAGE_VERSION,
    attach,
    count_rows,
    duckdb_session,
    scalar,
)
from capture_app.example import COLUMNS, PRIMARY_KEY, SCHEMA_VERSION, TABLE
from training_archive.exceptions import ArchiveDamaged

PREFIX: Final = "llm_training_chunk_"
CHUNK_SUFFIX: Final = ".duckdb"
SIDECAR_SUFFIX: Final = ".json"

# No separator, no dot, no blank: a name that matches leads nowhere but to a file of that name.
_NAME = re.compile(rf"{PREFIX}[0-9A-Za-z_-]{{1,100}}")
_TIME = re.compile(r"\d{8}T\d{6}_\d{6}Z", re.ASCII)
_WRITER = slice(52, 84)  # bytes of a DuckDB file: the release that wrote it

MEMORY_MB: Final = 192  # DuckDB's, for work on a chunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """What a chunk's JSON file says. Times are ISO 8601 in UTC."""

    chunk: str  # the chunk's name, without suffix
    rows: int
    rows_per_task: dict[str, int]
    rows_per_provider: dict[str, int]
    rows_per_model: dict[str, int]
    first_created_at: str | None
    last_created_at: str | None
    sha256: str  # of the chunk file
    size: int  # of the chunk file, in bytes
    schema_version: int
    duckdb_version: str  # that wrote it
    storage_version: str  # the oldest format that must be understood to open it
    quarantined_lines: int  # records met in this interval that could not be stored
    generation: str  # of the live database that became this chunk; of the first one, when it was merged
    created_at: str
    merged_from: list[dict[str, Any]] = field(
        default_factory=list
    )  # chunk, generation, rows, sha256 of each; see merge
    forgotten_rows: int = 0  # erased from it on request

    @property
    def generations(self) -> list[str]:
        """Of all live databases whose examples are in this chunk."""
        return [source["generation"] for source in self.merged_from] or [self.generation]

    def to_json(self) -> bytes:
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2)

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Raises ArchiveDamaged when the content is no sidecar. Keys of later versions are ignored."""
        try:
            values = orjson.loads(content)
            sidecar = cls(**{name: values[name] for name in cls.__dataclass_fields__ if name in values})
            sidecar._check_types()
        except (KeyError, TypeError, ValueError) as error:
            raise ArchiveDamaged(f"the sidecar is not readable: {error!r}") from error
        return sidecar

    def _check_types(self) -> None:
        """JSON from elsewhere may hold anything: TypeError or ValueError unless each value is what it is declared."""
        for name, kind in _SIDECAR_TYPES.items():
            if type(getattr(self, name)) is not kind:
                raise TypeError(f"{name} is no {kind.__name__}")
        for moment in (self.created_at, self.first_created_at, self.last_created_at):
            if moment is not None and datetime.fromisoformat(moment).tzinfo is None:
                raise ValueError(f"{moment} has no time zone")
        for source in self.merged_from:
            if type(source) is not dict or any(type(source.get(key)) is not kind for key, kind in SOURCE_TYPES.items()):
                raise TypeError("merged_from lists no chunks")


_SIDECAR_TYPES = {
    **dict.fromkeys(("chunk", "sha256", "duckdb_version", "storage_version", "generation", "created_at"), str),
    **dict.fromkeys(("rows", "size", "schema_version", "quarantined_lines", "forgotten_rows"), int),
    "merged_from": list,
    **dict.fromkeys(("rows_per_task", "rows_per_provider", "rows_per_model"), dict),
}
SOURCE_TYPES = {"chunk": str, "generation": str, "rows": int, "sha256": str}


def chunk_name(now: datetime, taken: Iterable[str]) -> str:
    """A name for a chunk sealed at `now` (aware, any zone) that is not among `taken`: the UTC time in microseconds."""
    names = set(taken)
    while (name := f"{PREFIX}{now.astimezone(UTC):%Y%m%dT%H%M%S_%f}Z") in names:
        now += timedelta(microseconds=1)  # the clock stepped back, or two runs met in one microsecond
    return name


def is_chunk_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def merged_name(sources: Sequence[Sidecar]) -> str:
    """What the chunk is called that takes the place of `sources`: from the first one's time to the last one's."""
    first, last = sources[0].chunk, sources[-1].chunk
    begin = first.removeprefix(PREFIX).partition("-")[0]
    end = last.removeprefix(PREFIX).rpartition("-")[2]
    return f"{PREFIX}{begin}-{end}"


def facts_of(connection: DuckDBPyConnection, table: str) -> dict[str, Any]:
    """What a sidecar says of the examples in `table`."""
    span = f"SELECT count(*), min(created_at), max(created_at) FROM {table}"
    [(rows, first, last)] = connection.execute(span).fetchall()
    return {
        "rows": rows,
        "rows_per_task": _counts(connection, table, "task"),
        "rows_per_provider": _counts(connection, table, "provider"),
        "rows_per_model": _counts(connection, table, "model_name"),
        "first_created_at": first.replace(tzinfo=UTC).isoformat() if first else None,
        "last_created_at": last.replace(tzinfo=UTC).isoformat() if last else None,
    }


def _counts(connection: DuckDBPyConnection, table: str, column: str) -> dict[str, int]:
    query = f"SELECT coalesce({column}, ''), count(*) AS n FROM {table} GROUP BY 1 ORDER BY n DESC, 1"
    return dict(connection.execute(query).fetchall())


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_chunk(path: Path, sidecar: Sidecar, *, scratch: Path) -> None:
    """Raise ArchiveDamaged unless the file opens in DuckDB and holds what its sidecar says."""
    try:
        with duckdb_session(scratch=scratch, memory_mb=MEMORY_MB) as connection:
            attach_chunk(connection, path, "chunk")
            rows = count_rows(connection, f"chunk.{TABLE}")
    except duckdb.Error as error:
        raise ArchiveDamaged(f"DuckDB does not read it: {error}") from error
    if rows != sidecar.rows:
        raise ArchiveDamaged(f"it holds {rows} rows, its sidecar says {sidecar.rows}")


def describe(path: Path, *, scratch: Path) -> Sidecar:
    """A sidecar for a chunk that has lost its own; of when it was made, and of which generation, its name tells.

    Raises ArchiveDamaged when the file is no chunk that DuckDB opens.
    """
    try:
        with duckdb_session(scratch=scratch, memory_mb=MEMORY_MB) as connection:
            attach_chunk(connection, path, "chunk")
            facts = facts_of(connection, f"chunk.{TABLE}")
            query = "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = ?"
            storage_version = str(scalar(connection, query, ["chunk"]) or STORAGE_VERSION)
    except duckdb.Error as error:
        raise ArchiveDamaged(f"{path.name}: DuckDB does not read it: {error}") from error
    return Sidecar(
        chunk=path.stem,
        **facts,
        sha256=sha256_of(path),
        size=path.stat().st_size,
        schema_version=SCHEMA_VERSION,
        duckdb_version=_writer_of(path),
        storage_version=storage_version.rstrip("+"),
        quarantined_lines=0,
        generation=path.stem,
        created_at=_time_in(path.stem).isoformat(),
    )


def _writer_of(path: Path) -> str:
    """The release of DuckDB that wrote the file, as its main header has it: "2.0.0"."""
    with path.open("rb") as file:
        version = file.read(_WRITER.stop)[_WRITER]
    return version.rstrip(b"\0").decode("ascii", errors="replace").removeprefix("v")


def _time_in(name: str) -> datetime:
    """The last time in a chunk's name; now, when somebody gave it another name."""
    try:
        return datetime.strptime(_TIME.findall(name)[-1], "%Y%m%dT%H%M%S_%f%z")
    except (IndexError, ValueError):
        return datetime.now(UTC)


def attach_chunk(connection: DuckDBPyConnection, path: Path, alias: str) -> None:
    """Attach a chunk from anywhere, read-only. ArchiveDamaged unless it is one.

    `examples` must be a table, because a view could read any file, with our columns and our primary key. A column that
    is worked out, or that compares in another way than by its bytes, is not ours.
    """
    try:
        attach(connection, path, alias, read_only=True)
    except duckdb.Error as error:
        raise ArchiveDamaged(f"{path.name}: DuckDB does not open it: {error}") from error
    problem = _schema_problem(connection, alias)
    if problem:
        connection.execute(f"DETACH {alias}")  # the connection may be the caller's own
        raise ArchiveDamaged(f"{path.name}: {problem}")


def _schema_problem(connection: DuckDBPyConnection, alias: str) -> str:
    here = "WHERE database_name = ? AND schema_name = 'main' AND table_name = ?"
    if not scalar(connection, f"SELECT count(*) FROM duckdb_tables() {here}", [alias, TABLE]):
        return f"it has no table {TABLE!r}"
    columns = connection.execute(
        f"SELECT column_name, data_type FROM duckdb_columns() {here}", [alias, TABLE]
    ).fetchall()
    wrong = [name for name, kind in COLUMNS.items() if (name, kind) not in columns]
    if wrong:
        return f"its table {TABLE!r} lacks {', '.join(wrong)}, or has it in another type"
    keys = f"SELECT count(*) FROM duckdb_constraints() {here} AND constraint_type = 'PRIMARY KEY'"
    if not scalar(connection, keys + " AND constraint_column_names = ?", [alias, TABLE, [PRIMARY_KEY]]):
        return f"its table {TABLE!r} has no primary key {PRIMARY_KEY!r}"
    return _computed_problem(
        connection, f"FROM duckdb_tables() {here}", f"FROM duckdb_columns() {here}", [alias, TABLE]
    )


def _computed_problem(connection: DuckDBPyConnection, table: str, columns: str, place: list[str]) -> str:
    """DuckDB lists a generated column's expression, which runs in whoever reads it, where others have a default."""
    if scalar(connection, f"SELECT count(column_default) {columns}", place):
        return f"its table {TABLE!r} has a column that is worked out by an expression"
    if " COLLATE " in scalar(connection, f"SELECT sql {table}", place).upper():
        return f"its table {TABLE!r} has a column with a collation"
    return ""
