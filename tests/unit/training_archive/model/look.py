"""What is on an installation's disk, read without any of the code that is under test."""

import json
import re
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import duckdb

LIVE: Final = "llm_training_dataset.duckdb"
_MARKER = re.compile(rb"secret-(\d{5});")
_BLOB = re.compile(r"blob:sha256:([0-9a-f]{64})")
_COLUMNS: Final = (
    "id, task, prompt_text, system_prompt, response_strong, metadata, provider, model_name, prompt_hash, created_at"
)


def look(site: Path) -> dict[str, Any]:
    """Everything, as JSON values. `site` holds backups/ and db.sqlite3; neither is changed."""
    data = site / "backups"
    with tempfile.TemporaryDirectory(prefix="look-") as folder:
        scratch = Path(folder)
        zips = {path.name: _zip(path, scratch) for path in sorted(data.glob("llm_training_dataset*.zip"))}
        return {
            "inbox": [line for path in sorted(data.glob("spool/[!.]*.jsonl")) for line in _lines(path)],
            "live": _database(data / LIVE, scratch),
            "sealed": {path.stem: _database(path, scratch) for path in sorted(data.glob("sealed/*.duckdb"))},
            "zips": zips,
            "blobs": [path.name for path in data.glob("blobs/??/[!.]*")],
            "marked": (data / "blobs" / ".marked.json").exists(),
            "temporary": sorted(str(path.relative_to(data)) for path in _temporary(data)),
            "markers": _markers(data, scratch),
            **_django(site / "db.sqlite3"),
        }


def _lines(path: Path) -> list[dict[str, Any]]:
    """Whole records; a kill may leave a torn one."""
    found = []
    for line in path.read_text().split("\n"):
        if line:
            record = json.loads(line)
            found.append({"line": line, **_facts(record)})
    return found


def _facts(record: dict[str, Any]) -> dict[str, Any]:
    metadata = record["metadata"]
    text = json.dumps(metadata, sort_keys=True)
    reserved = metadata["gleaner"]
    return {
        "id": record["id"],
        "number": metadata["number"],
        "user": reserved["user_id"],
        "conversation": reserved["conversation_id"],
        "blobs": sorted(set(_BLOB.findall(text))),
        "created_at": str(record["created_at"])[:19].replace("T", " "),
        "said": [record[name] for name in ("task", "prompt_text", "system_prompt", "response_strong", "prompt_hash")]
        + [text],
    }


def _database(path: Path, scratch: Path) -> dict[str, Any] | None:
    """The rows and the generation, from a copy: opening a database may write into it."""
    if not path.exists():
        return None
    copied = scratch / path.name
    shutil.copy(path, copied)
    log = path.with_name(path.name + ".wal")
    if log.exists():
        shutil.copy(log, scratch / log.name)
    try:
        return _rows(copied)
    finally:
        copied.unlink()
        copied.with_name(copied.name + ".wal").unlink(missing_ok=True)


def _rows(path: Path) -> dict[str, Any]:
    with duckdb.connect(str(path), config={"threads": "1"}) as connection:
        found = connection.execute(f"SELECT {_COLUMNS} FROM examples ORDER BY id").fetchall()
        [(comment,)] = connection.execute("SELECT max(comment) FROM duckdb_tables()").fetchall()
    names = _COLUMNS.split(", ")
    records = [dict(zip(names, row, strict=True)) for row in found]
    for record in records:
        record["metadata"] = json.loads(record["metadata"])
    return {"generation": comment, "rows": [_facts(record) for record in records]}


def _zip(path: Path, scratch: Path) -> dict[str, Any]:
    """Chunk by chunk; every member is read, which checks its CRC."""
    chunks = {}
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
        assert len(members) == len(archive.infolist()), "a name twice"
    for name, content in members.items():
        if name.endswith(".duckdb"):
            file = scratch / "chunk.duckdb"
            file.write_bytes(content)
            sidecar = json.loads(members[name.removesuffix(".duckdb") + ".json"])
            chunks[sidecar["chunk"]] = {**_rows(file), "sidecar": sidecar}
            file.unlink()
    return chunks


def _temporary(data: Path) -> Iterator[Path]:
    yield from data.glob("tmp/*")
    for path in data.rglob(".*"):
        if path.name.endswith((".tmp", ".fresh", ".appending", ".leaving")):
            yield path
    yield from data.glob("sealed/*.target")


def _markers(data: Path, scratch: Path) -> dict[str, list[int]]:
    """In which files the text of which calls can be read: file -> numbers. ZIPs and databases as what they hold."""
    found = {}
    for path in data.rglob("*"):
        if path.is_file():
            numbers = {int(number) for content in _contents(path, scratch) for number in _MARKER.findall(content)}
            if numbers:
                found[str(path.relative_to(data))] = sorted(numbers)
    return found


def _contents(path: Path, scratch: Path) -> Iterator[bytes]:
    yield path.read_bytes()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    elif path.suffix == ".duckdb" and "tmp" in path.parts:
        try:
            database = _database(path, scratch)
        except duckdb.Error:  # unfinished
            return
        yield json.dumps(database).encode()


def _django(path: Path) -> dict[str, Any]:
    with sqlite3.connect(path) as connection:

        def all_of(query: str) -> list[Any]:
            return [list(row) for row in connection.execute(query).fetchall()]

        found = {
            "index": all_of("SELECT id, generation FROM capture_app_exampleindex ORDER BY id"),
            "forgotten": [row[0] for row in all_of("SELECT id FROM capture_app_forgottenexample")],
            "pending": [pk for (pk,) in all_of("SELECT id FROM training_archive_erasure WHERE finished_at IS NULL")],
            "generations": dict(all_of("SELECT generation, chunk_id FROM training_archive_archivedgeneration")),
            "chunks": {
                name: values
                for name, *values in all_of(
                    "SELECT name, zip_name, rows, sha256 FROM training_archive_archivedchunk ORDER BY name"
                )
            },
        }
    connection.close()
    return found
