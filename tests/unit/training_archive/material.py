"""Databases, chunks and ZIPs to test with, made row by row and without Django's database."""

import hashlib
import pickle
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb
import orjson

from capture_app.duckdb_files import create_examples_table
from capture_app.example import COLUMNS, JSON_COLUMNS
from training_archive.chunks import PREFIX, Sidecar
from training_archive.compaction import compact
from training_archive.reader import iter_chunks
from training_archive.zip_writer import append_chunk

Row = Mapping[str, Any]

NAME = f"{PREFIX}20260101T000000_000000Z"

# The ZIP neither knows nor cares that a chunk is a DuckDB file; these are larger than one read.
OLD, NEW = b"old examples " * 100_000, b"new examples " * 100_000
OLD_NAME, NEW_NAME = NAME, f"{NAME}-2"


def row(example_id: str, **values: Any) -> dict[str, Any]:
    """A whole example; `values` replace columns."""
    return {
        "id": example_id,
        "task": "shop",
        "prompt_text": "What does it cost?",
        "system_prompt": "You read shop pages.",
        "response_strong": '{"price": 5}',
        "metadata": {"page": 1},
        "slot_specs": {"price": "exact"},
        "llm_signature": "0123456789abcdef",
        "provider": "offline",
        "model_name": "offline-extract",
        "input_tokens": 8,
        "output_tokens": 3,
        "latency_ms": 40,
        "created_at": datetime(2026, 1, 1, 12),  # naive, in UTC, as chunks have it
        "prompt_hash": "f" * 64,
        **values,
    }


def insert(connection: duckdb.DuckDBPyConnection, rows: Iterable[Row], table: str = "examples") -> None:
    places = ", ".join("?" * len(COLUMNS))
    connection.execute("BEGIN")
    for values in rows:
        cells = [_cell(name, values[name]) for name in COLUMNS]
        connection.execute(f"INSERT INTO {table} ({', '.join(COLUMNS)}) VALUES ({places})", cells)
    connection.execute("COMMIT")


def _cell(name: str, value: Any) -> Any:
    return orjson.dumps(value).decode() if name in JSON_COLUMNS and isinstance(value, dict) else value


def write_database(path: Path, rows: Iterable[Row] = (), *, statements: Iterable[str] = ()) -> Path:
    """A database as drains fill it, then changed by `statements`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(path)) as connection:
        create_examples_table(connection, "examples")
        insert(connection, rows)
        for statement in statements:
            connection.execute(statement)
    return path


def write_odd_database(path: Path, statement: str) -> Path:
    """A database of which `statement` makes everything."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(statement)
    return path


def write_archive(zip_path: Path, *chunks: Iterable[Row]) -> list[Sidecar]:
    """A ZIP with one real chunk for each of `chunks`, in this order."""
    folder = zip_path.parent / f"making {zip_path.name}"
    folder.mkdir(parents=True)
    sidecars = []
    for number, rows in enumerate(chunks):
        chunk = folder / f"{PREFIX}{number:04d}.duckdb"
        sidecars.append(write_chunk(chunk, rows))
        append_chunk(zip_path, chunk, sidecars[-1], compresslevel=1)
    return sidecars


def write_chunk(path: Path, rows: Iterable[Row]) -> Sidecar:
    """A real chunk of these rows, named as its file."""
    content, sidecar = _made_chunk(path.stem, pickle.dumps(list(rows)))
    path.write_bytes(content)
    return sidecar


@lru_cache(maxsize=24)  # as most tests want the same few; one takes half a megabyte
def _made_chunk(name: str, rows: bytes) -> tuple[bytes, Sidecar]:
    with tempfile.TemporaryDirectory() as folder:
        sealed, chunk = Path(folder) / "sealed" / f"{name}.duckdb", Path(folder) / f"{name}.duckdb"
        sidecar = compact(write_database(sealed, pickle.loads(rows)), chunk, scratch=Path(folder))
        return chunk.read_bytes(), sidecar


def sidecar_of(content: bytes, *, name: str = NAME, **values: Any) -> Sidecar:
    """A sidecar that is true of `content` in size and SHA-256; `values` replace facts."""
    facts: dict[str, Any] = {
        "chunk": name,
        "rows": 1,
        "rows_per_task": {"shop": 1},
        "rows_per_provider": {"offline": 1},
        "rows_per_model": {"offline-extract": 1},
        "first_created_at": "2026-01-01T12:00:00+00:00",
        "last_created_at": "2026-01-01T12:00:00+00:00",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "schema_version": 1,
        "duckdb_version": duckdb.__version__,
        "storage_version": "v1.2.0",
        "quarantined_lines": 0,
        "generation": name,
        "created_at": "2026-01-02T05:00:00+00:00",
    }
    return Sidecar(**{**facts, **values})


def rewrite_member(zip_path: Path, filename: str, content: bytes | None) -> None:
    """Give a member other content, or take it away, and leave the ZIP itself sound."""
    with zipfile.ZipFile(zip_path) as old:
        members = {info.filename: old.read(info) for info in old.infolist()}
    with zipfile.ZipFile(zip_path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, kept in members.items():
            if name != filename:
                new.writestr(name, kept)
        if content is not None:
            new.writestr(filename, content)


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def change_sidecar(path: Path, lie: dict[str, Any]) -> Sidecar:
    """Change facts in the sidecar of the first chunk; the sidecar as it was."""
    sidecar = next(iter_chunks(path))
    facts = {**orjson.loads(sidecar.to_json()), **lie}
    rewrite_member(path, f"{sidecar.chunk}.json", orjson.dumps(facts))
    return sidecar


def chunk_files(zip_path: Path) -> list[str]:
    with zipfile.ZipFile(zip_path) as archive:
        return [name for name in archive.namelist() if name.endswith(".duckdb")]


def chunk_file(zip_path: Path) -> str:
    return chunk_files(zip_path)[0]


def append_bytes(
    zip_path: Path, content: bytes, *, name: str, sidecar: Sidecar | None = None, **options: Any
) -> Sidecar:
    chunk = zip_path.parent / "chunk being added"
    chunk.write_bytes(content)
    sidecar = sidecar or sidecar_of(content, name=name)
    try:
        append_chunk(zip_path, chunk, sidecar, compresslevel=1, **options)
    finally:
        chunk.unlink()
    return sidecar


def members_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}
