"""Our own records: lines, Parquet and CSV with the fifteen columns, chunks, and whole archives of another Gleaner."""

from collections.abc import Callable, Container, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zipfile import ZipFile

import duckdb
import orjson
from duckdb import DuckDBPyConnection

from capture_app.blobs import Blob, BlobExtractor
from capture_app.duckdb_files import duckdb_session
from capture_app.example import (
    COLUMNS,
    DEFAULT_TASK,
    PRIMARY_KEY,
    RESERVED_KEY,
    TABLE,
    Example,
    llm_signature,
    prompt_hash,
    storable,
)
from capture_app.messages import to_json_text
from training_archive.chunks import CHUNK_SUFFIX, MEMORY_MB, attach_chunk
from training_archive.exceptions import ArchiveDamaged
from training_archive.importing.annotations import annotations_in
from training_archive.importing.identity import example_id, moment, origin_of, with_origin
from training_archive.importing.reading import IdOf, Record, Result, Row, Source, Unreadable
from training_archive.importing.rows import rows_of
from training_archive.zip_archive import ZIP_ERRORS, ChunkMember, extract_chunk, list_chunks, open_zip

FAMILY: Final = "gleaner"  # one for all of our containers: an example is the same in each of them

_ALIAS: Final = "imported"
_ROWS_AT_ONCE: Final = 500
_SIGNED: Final = ("parameters", "tools", "response_format")  # what of the reserved key shapes an answer


def is_ours(record: Record) -> bool:
    """Whether the record has what makes an example: a prompt and an answer, under our names."""
    return "prompt_text" in record and "response_strong" in record


def read_records(source: Source) -> Iterator[Result]:
    for row in rows_of(source):
        yield _result(row, source)


def _result(row: Row, source: Source) -> Result:
    if row.record is None:
        return Result(row.place, None, problem=row.problem)
    try:
        example, blobs = _example(row.record, source)
    except Unreadable as error:
        return Result(row.place, None, problem=str(error))
    return Result(row.place, example, blobs, id_of=IdOf.OURS if row.record.get("id") else IdOf.NOBODY)


def _example(record: Record, source: Source) -> tuple[Example, list[Blob]]:
    if not is_ours(record):
        raise Unreadable("it lacks prompt_text or response_strong")
    found = Example(*[read(name, record.get(name)) for name, read in _COLUMN_READERS])
    is_dated = found.created_at is not None
    metadata, blobs = _without_blobs(dict(found.metadata), source)
    annotations = {name: value for name, value in annotations_in(record).items() if name not in metadata}
    new_id = example_id(FAMILY, record.get("id"), None if record.get("id") else record)
    origin = origin_of(
        source,
        id=None if new_id == record.get("id") else record.get("id"),
        other=_others(record, {*COLUMNS, *annotations}),
        dated_by_file=None if is_dated else True,
    )
    completed = found._replace(
        id=new_id,
        task=source.task or found.task or DEFAULT_TASK,
        metadata=with_origin({**metadata, **annotations}, origin),
        llm_signature=found.llm_signature or _signature(found),
        created_at=found.created_at if is_dated else source.dated,
        prompt_hash=found.prompt_hash or prompt_hash(found.system_prompt, found.prompt_text),
    )
    return completed, blobs


def _others(record: Record, known: Container[str]) -> dict[str, Any] | None:
    return {name: storable(value) for name, value in record.items() if name not in known} or None


def _signature(example: Example) -> str:
    reserved = example.metadata.get(RESERVED_KEY)
    settings = {name: reserved[name] for name in _SIGNED if name in reserved} if isinstance(reserved, dict) else {}
    return llm_signature(example.provider, example.model_name, settings)


def _without_blobs(metadata: dict[str, Any], source: Source) -> tuple[dict[str, Any], list[Blob]]:
    """The metadata with references in the place of images and files, as capture keeps them."""
    reserved = metadata.get(RESERVED_KEY)
    if not isinstance(reserved, dict) or "messages" not in reserved:
        return metadata, []
    extractor = BlobExtractor(source.blob_bytes)
    messages = extractor.take_out_of(reserved["messages"])
    if not extractor.facts:
        return metadata, []
    known = reserved.get("blobs")
    facts = {**known, **extractor.facts} if isinstance(known, dict) else extractor.facts
    changed = {**reserved, "messages": messages, "blobs": facts}
    return {**metadata, RESERVED_KEY: changed}, [*extractor.blobs.values()]


# --- Columns ---------------------------------------------------------------------------------------------------------


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is not None:
        raise Unreadable(f"{name} is no text")
    return ""


def _answer(name: str, value: Any) -> str:
    """The format `extraction` of our exports has answers decoded where they are JSON."""
    return value if isinstance(value, str) else "" if value is None else to_json_text(storable(value))


def _whole(name: str, value: Any) -> int | None:
    if value is None or (type(value) is int and -(2**63) <= value < 2**63):
        return value
    try:
        number = int(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise Unreadable(f"{name} is no whole number") from error
    if isinstance(value, bool) or (isinstance(value, float) and number != value) or not -(2**63) <= number < 2**63:
        raise Unreadable(f"{name} is no whole number")
    return number


def _object(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    if isinstance(value, str):
        try:
            value = orjson.loads(value) if value.strip() else {}
        except orjson.JSONDecodeError as error:
            raise Unreadable(f"{name} is no JSON") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unreadable(f"{name} is no JSON object")
    return value


def _time(name: str, value: Any) -> datetime | None:
    try:
        return moment(value)
    except Unreadable as error:
        raise Unreadable(f"{name} is no time") from error


def _anything(name: str, value: Any) -> Any:
    return value


_BY_TYPE: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "VARCHAR": _text,
    "JSON": _object,
    "BIGINT": _whole,
    "TIMESTAMP": _time,
}
_ODD_COLUMNS: Final[Mapping[str, Callable[[str, Any], Any]]] = {PRIMARY_KEY: _anything, "response_strong": _answer}
_COLUMN_READERS: Final = [(name, _ODD_COLUMNS.get(name, _BY_TYPE[kind])) for name, kind in COLUMNS.items()]


# --- Chunks and archives ---------------------------------------------------------------------------------------------


def read_zip(source: Source) -> Iterator[Result]:
    """Every chunk of this one ZIP. A damaged chunk is refused with the reason; the others are read."""
    with open_zip(source.path) as archive:
        for member in list_chunks(archive):
            try:
                yield from _member_rows(source, archive, member)
            except (ArchiveDamaged, Unreadable, *ZIP_ERRORS) as error:
                yield Result(member.info.filename, None, problem=f"the chunk is damaged: {error}")


def _member_rows(source: Source, archive: ZipFile, member: ChunkMember) -> Iterator[Result]:
    try:
        path = extract_chunk(archive, member, source.scratch)
        yield from _chunk_rows(source, member.name, path)
    finally:
        (source.scratch / (member.name + CHUNK_SUFFIX)).unlink(missing_ok=True)


def read_database(source: Source) -> Iterator[Result]:
    """A chunk, or a live database that somebody kept. It is opened read-only."""
    yield from _chunk_rows(source, source.name, source.path)


def _chunk_rows(source: Source, name: str, path: Path) -> Iterator[Result]:
    with duckdb_session(scratch=source.scratch, memory_mb=MEMORY_MB) as connection:
        attach_chunk(connection, path, _ALIAS)
        try:
            for number, record in enumerate(_rows(connection), 1):
                yield _result(Row(f"row {number} of {name}", record), source)
        except duckdb.Error as error:
            raise Unreadable(f"DuckDB cannot read it: {str(error).partition(chr(10))[0]}") from error


def _rows(connection: DuckDBPyConnection) -> Iterator[Record]:
    names = list(COLUMNS)
    found = connection.execute(f"SELECT {', '.join(names)} FROM {_ALIAS}.{TABLE}")
    while rows := found.fetchmany(_ROWS_AT_ONCE):
        for row in rows:
            yield dict(zip(names, row, strict=True))
