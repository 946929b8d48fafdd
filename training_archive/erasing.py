"""Finding examples in the archive, and taking them out of it: chunks are rewritten without them."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from duckdb import DuckDBPyConnection

from capture_app.blobs import REFERENCE
from capture_app.contents import content_hmac
from capture_app.duckdb_files import duckdb_session
from capture_app.example import PRIMARY_KEY, RESERVED_KEY, TABLE
from capture_app.judgments import corrections_of
from capture_app.live_database import ALIAS, lock_live_database
from capture_app.progress import Progress
from training_archive.chunks import CHUNK_SUFFIX, MEMORY_MB, Sidecar, attach_chunk, check_chunk
from training_archive.compaction import compact
from training_archive.exports.annotations import CORRECTION, correction
from training_archive.removed_chunks import removing
from training_archive.zip_archive import extract_checked, extract_chunk, list_chunks, open_zip, read_sidecar
from training_archive.zip_writer import NewChunk, rewrite_zip

# What of an example each kind of request names. No other value ever comes into the SQL than by a parameter.
SELECTORS: Final = {
    "user": f"metadata->>'$.{RESERVED_KEY}.user_id'",
    "conversation": f"metadata->>'$.{RESERVED_KEY}.conversation_id'",
    "id": PRIMARY_KEY,
}
_BLOBS: Final = f"regexp_extract_all(metadata::VARCHAR, '{REFERENCE}([0-9a-f]{{64}})', 1)"
# What was asked and answered, and the corrected answer.
_TEXTS: Final = ("system_prompt", "prompt_text", "response_strong", correction(f"metadata->'$.{CORRECTION}'"))
_ROWS_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Selection:
    """Which examples are meant: those whose fact of this `kind` is one of the values, and those with the ids."""

    kind: str  # a key of SELECTORS
    values: Sequence[str]
    ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """Examples in one DuckDB file."""

    ids: list[str]
    blobs: set[str]  # hashes that they refer to
    # By id: the keyed hash of what was asked and answered, and that with the corrected answer, "" where there is none.
    contents: dict[str, tuple[str, str]] = field(default_factory=dict)
    # By id: the hashes with the corrected answers that people gave it, which Django's database has.
    corrections: dict[str, set[str]] = field(default_factory=dict)


def find_in_table(connection: DuckDBPyConnection, table: str, selection: Selection) -> Found:
    """The examples of `table` that are meant."""
    rows = connection.execute(
        f"SELECT {PRIMARY_KEY}, {_BLOBS}, {', '.join(_TEXTS)} FROM {table} "
        f"WHERE {SELECTORS[selection.kind]} IN (SELECT unnest(?)) OR {PRIMARY_KEY} IN (SELECT unnest(?::VARCHAR[]))",
        [list(selection.values), list(selection.ids)],
    )
    found = Found([], set())
    while some := rows.fetchmany(_ROWS_AT_ONCE):
        told = corrections_of(row[0] for row in some)
        for example_id, blobs, *texts in some:
            found.ids.append(example_id)
            found.blobs.update(blobs or ())
            found.contents[example_id] = _hashes(*texts)
            found.corrections[example_id] = {_hash(texts[0], texts[1], text) for text in told.get(example_id, ())}
    return found


def _hashes(system: str | None, prompt: str | None, answer: str | None, corrected: str | None) -> tuple[str, str]:
    return _hash(system, prompt, answer), _hash(system, prompt, corrected) if corrected else ""


def _hash(system: str | None, prompt: str | None, answer: str | None) -> str:
    return content_hmac(system or "", prompt or "", answer or "")


def find_in_live_database(path: Path, selection: Selection) -> Found:
    """As find_in_table, for the live database, under its lock."""
    with lock_live_database(path) as live:
        if not path.exists():
            return Found([], set())
        with live.connect(read_only=True) as connection:
            return find_in_table(connection, f"{ALIAS}.{TABLE}", selection)


@contextmanager
def attached_file(path: Path, scratch: Path) -> Iterator[tuple[DuckDBPyConnection, str]]:
    """A session with the chunk or sealed file attached read-only, and the name of its table."""
    with duckdb_session(scratch=scratch, memory_mb=MEMORY_MB) as connection:
        attach_chunk(connection, path, "found")
        yield connection, f"found.{TABLE}"


def blobs_in_table(connection: DuckDBPyConnection, table: str, among: Collection[str]) -> set[str]:
    """Those of the hashes that examples of the table refer to."""
    rows = connection.execute(
        f"SELECT DISTINCT blob FROM (SELECT unnest({_BLOBS}) AS blob FROM {table}) WHERE blob IN (SELECT unnest(?))",
        [list(among)],
    ).fetchall()
    return {blob for (blob,) in rows}


def blobs_of_chunks(zip_path: Path, names: Collection[str], scratch: Path, progress: Progress) -> set[str]:
    """The hashes that the examples of the named chunks refer to."""
    found: set[str] = set()
    with open_zip(zip_path) as archive:
        for member in list_chunks(archive):
            if member.name in names:
                path = extract_chunk(archive, member, scratch, progress)
                with attached_file(path, scratch) as (connection, table):
                    rows = connection.execute(f"SELECT DISTINCT unnest({_BLOBS}) FROM {table}").fetchall()
                    found |= {blob for (blob,) in rows}
                path.unlink()
    return found


@dataclass(slots=True)
class Rewritten:
    """Chunks without some examples, and how these are to take their places in the ZIP."""

    lost: dict[str, int] = field(default_factory=dict)  # chunk -> examples
    replace: dict[str, NewChunk | None] = field(default_factory=dict)  # None: nothing is left of it
    emptied: list[Sidecar] = field(default_factory=list)


def chunks_without(
    path: Path, ids: Collection[str], chunks: Collection[str], *, scratch: Path, progress: Progress
) -> Rewritten:
    """Write the named chunks of the ZIP anew into the scratch folder, without the examples."""
    found = Rewritten()
    with open_zip(path) as archive:
        for member in list_chunks(archive):
            if member.name not in chunks:
                continue
            sidecar = read_sidecar(archive, member)
            source = extract_checked(archive, member, sidecar, scratch, progress)
            rewritten = _without(source, sidecar, ids, scratch)
            source.unlink()
            found.lost[member.name] = sidecar.rows - rewritten.sidecar.rows
            found.replace[member.name] = rewritten if rewritten.sidecar.rows else None
            found.emptied += [] if rewritten.sidecar.rows else [rewritten.sidecar]
    return found


def rewrite_without(
    path: Path,
    ids: Collection[str],
    chunks: Collection[str],
    *,
    zip_path: Path,
    scratch: Path,
    compresslevel: int,
    progress: Progress,
) -> dict[str, int]:
    """Rewrite the named chunks of `path` without the examples; how many each lost. `zip_path` is the archive's.

    A chunk of which nothing is left is dropped. All in one replacement of the ZIP, or not at all.
    """
    found = chunks_without(path, ids, chunks, scratch=scratch, progress=progress)
    if found.lost:
        with removing(zip_path, path, found.emptied):
            rewrite_zip(path, found.replace, compresslevel=compresslevel, progress=progress)
    return found.lost


def _without(source: Path, old: Sidecar, ids: Collection[str], scratch: Path) -> NewChunk:
    folder = scratch / "rewritten"
    folder.mkdir(exist_ok=True)
    chunk = folder / (old.chunk + CHUNK_SUFFIX)
    new = compact(source, chunk, scratch=scratch, without=ids)
    sidecar = replace(
        new,
        generation=old.generation,
        merged_from=old.merged_from,
        created_at=old.created_at,
        quarantined_lines=old.quarantined_lines,
        forgotten_rows=old.forgotten_rows + old.rows - new.rows,
    )
    check_chunk(chunk, sidecar, scratch=scratch)
    return NewChunk(chunk, sidecar)
