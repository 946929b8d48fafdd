"""How a sealed live database becomes a chunk, and how several chunks become one."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import duckdb
from duckdb import DuckDBPyConnection

from capture_app.duckdb_files import (
    STORAGE_VERSION,
    attach,
    create_examples_table,
    duckdb_session,
    table_comment,
    with_enough_memory,
)
from capture_app.example import COLUMNS, PRIMARY_KEY, SCHEMA_VERSION, TABLE
from training_archive.chunks import MEMORY_MB, SOURCE_TYPES, Sidecar, attach_chunk, facts_of, sha256_of
from training_archive.exceptions import ArchiveDamaged
from training_archive.repeats import insert_side_by_side

# Larger row groups make a chunk 1 % smaller, and take twice the time when they outgrow MEMORY_MB.
_ROW_GROUP_SIZE: Final = 20480
_STAGING_ROW_GROUP_SIZE: Final = 2048

_COMPRESSION: Final = {
    **dict.fromkeys(("id", "prompt_hash"), "fsst"),  # no two alike, all of the same few characters
    **dict.fromkeys(("task", "provider", "model_name", "llm_signature"), "dictionary"),
    **dict.fromkeys(("prompt_text", "system_prompt", "response_strong", "metadata", "slot_specs"), "zstd"),
}


def compact(sealed: Path, chunk: Path, *, scratch: Path, without: Iterable[str] = ()) -> Sidecar:
    """Write the examples of `sealed` into the new file `chunk`, compacted and compressed; say what is in it.

    The chunk's file name, without its suffix, is the chunk's name. Examples whose id is in `without` stay behind.

    Raises ArchiveDamaged when DuckDB cannot read the one or write the other.
    """
    left_out = list(without)
    try:
        facts = with_enough_memory(lambda memory_mb: _write(sealed, chunk, scratch, memory_mb, left_out), MEMORY_MB)
    except duckdb.Error as error:
        raise ArchiveDamaged(
            f"{sealed} could not be compacted: {error} It stays where it is, and so does the ZIP. Free space if that "
            "is the cause, and run the archive again."
        ) from error
    return Sidecar(
        chunk=chunk.stem,
        **facts,
        sha256=sha256_of(chunk),
        size=chunk.stat().st_size,
        schema_version=SCHEMA_VERSION,
        duckdb_version=duckdb.__version__,
        storage_version=STORAGE_VERSION,
        quarantined_lines=0,
        created_at=datetime.now(UTC).isoformat(),
    )


def merge(sources: Iterable[tuple[Path, Sidecar]], chunk: Path, *, scratch: Path) -> Sidecar:
    """Write the examples of several chunks into the new file `chunk`, compacted; of an id the first one stays.

    A source is needed only until the next one is asked for. Raises ArchiveDamaged as `compact`.
    """
    staging = scratch / "merging.duckdb"
    merged: list[Sidecar] = []
    try:
        for path, sidecar in sources:
            _stage(path, staging, scratch)
            merged.append(sidecar)
        sidecar = compact(staging, chunk, scratch=scratch)
    except duckdb.Error as error:
        raise ArchiveDamaged(f"The chunks could not be merged: {error} They are as they were.") from error
    finally:
        staging.unlink(missing_ok=True)
    lineage = [source for each in merged for source in _lineage(each)]
    return replace(
        sidecar,
        generation=merged[0].generation,
        created_at=merged[-1].created_at,  # when the youngest was archived: merging makes nothing fresher
        quarantined_lines=sum(each.quarantined_lines for each in merged),
        forgotten_rows=sum(each.forgotten_rows for each in merged),
        merged_from=lineage,
    )


def _stage(source: Path, staging: Path, scratch: Path) -> None:
    """Add the examples of the source that are not there yet to the staging database, which lasts only for a merge.

    It has no primary key, whose index would not fit into memory, and is not compressed: the chunk made from it is.
    """

    def stage(memory_mb: int) -> None:
        with duckdb_session(scratch=scratch, memory_mb=memory_mb) as connection:
            attach(connection, staging, "staging", row_group_size=_STAGING_ROW_GROUP_SIZE)
            attach_chunk(connection, source, "source")
            connection.execute("SET preserve_insertion_order = false")
            connection.execute("SET force_compression = 'uncompressed'")
            connection.execute(f"CREATE TABLE IF NOT EXISTS staging.{TABLE} AS FROM source.{TABLE} LIMIT 0")
            add_new_rows(connection, f"source.{TABLE}", f"staging.{TABLE}")
            connection.execute("DETACH staging")

    with_enough_memory(stage, MEMORY_MB)


def _lineage(sidecar: Sidecar) -> list[dict[str, Any]]:
    """Of a merged chunk what it was merged from; of any other itself."""
    return sidecar.merged_from or [{key: getattr(sidecar, key) for key in SOURCE_TYPES}]


def add_new_rows(connection: DuckDBPyConnection, source: str, target: str) -> None:
    """Add the examples of the table `source` to `target`, but for those whose id is there already."""
    names = ", ".join(COLUMNS)
    connection.execute(
        f"INSERT INTO {target} ({names}) SELECT {names} FROM {source} "
        f"ANTI JOIN (SELECT {PRIMARY_KEY} FROM {target}) AS known USING ({PRIMARY_KEY})"
    )


def _write(sealed: Path, chunk: Path, scratch: Path, memory_mb: int, without: list[str]) -> dict[str, Any]:
    chunk.unlink(missing_ok=True)
    with duckdb_session(scratch=scratch, memory_mb=memory_mb) as connection:
        attach(connection, sealed, "sealed", read_only=True)
        attach(connection, chunk, "chunk", row_group_size=_ROW_GROUP_SIZE)
        connection.execute("SET preserve_insertion_order = false")
        create_examples_table(connection, f"chunk.{TABLE}", _COMPRESSION)
        kept = f"sealed.{TABLE}"
        if without:
            connection.execute("CREATE TEMP TABLE left_out AS SELECT unnest(?) AS left_out_id", [without])
            kept = f"(FROM sealed.{TABLE} ANTI JOIN left_out ON {PRIMARY_KEY} = left_out_id)"
        insert_side_by_side(connection, kept, f"chunk.{TABLE}", scratch=scratch)
        generation = table_comment(connection, "sealed") or sealed.stem  # a database from elsewhere has none
        facts = {**facts_of(connection, f"chunk.{TABLE}"), "generation": generation}
        connection.execute("DETACH chunk")
    return facts
