"""Looking through DuckDB files for a text, a stretch of rows at a time, in bounded memory."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from duckdb import DuckDBPyConnection

from capture_app.conf import capture_settings
from capture_app.duckdb_files import duckdb_session, scalar, with_enough_memory
from capture_app.example import TABLE
from capture_app.files import scratch_directory
from capture_app.live_database import ALIAS, LiveDatabase, generation
from training_archive.chunks import MEMORY_MB, attach_chunk

STRETCH: Final = 20_000  # rows that are looked through at once
MOST_HITS: Final = 50  # of one stretch; a word that is everywhere needs no more
SNIPPET: Final = 160  # characters around what was found
_BEFORE: Final = 60  # of them in front of it

_SCANNED: Final = "gleaner_scanned"  # an attached file's name in SQL
_TEXTS: Final = {"prompt": "prompt_text", "system prompt": "system_prompt", "response": "response_strong"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """An example that holds the text."""

    id: str
    at: datetime  # aware
    task: str
    model: str
    found_in: str  # a key of _TEXTS
    snippet: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What came of looking through some rows."""

    hits: list[Hit]
    next_row: int  # where the next stretch begins
    rows: int  # in the file
    is_cut: bool  # there were more hits among them

    @property
    def left(self) -> int:
        """Rows of the file that are still to be looked through."""
        return self.rows - self.next_row


def scan_live(live: LiveDatabase, text: str, first_row: int) -> tuple[Stretch, str]:
    """Of the live database, while its lock is held; and which one it is, for it may be taken away at any time."""
    with live.connect(read_only=True) as connection:
        return _look(connection, f"{ALIAS}.{TABLE}", text, first_row), generation(connection)


def scan_file(path: Path, text: str, first_row: int) -> Stretch:
    """Of a sealed file or an unpacked chunk."""

    def look(memory_mb: int) -> Stretch:
        with (
            scratch_directory(capture_settings().data_dir) as scratch,
            duckdb_session(scratch=scratch, memory_mb=memory_mb) as connection,
        ):
            attach_chunk(connection, path, _SCANNED)
            return _look(connection, f"{_SCANNED}.{TABLE}", text, first_row)

    return with_enough_memory(look, MEMORY_MB)


def _look(connection: DuckDBPyConnection, table: str, text: str, first_row: int) -> Stretch:
    rows = scalar(connection, f"SELECT coalesce(max(rowid) + 1, 0) FROM {table}")
    found = {name: f"contains(lower({column}), lower($text))" for name, column in _TEXTS.items()}
    which = " ".join(f"WHEN {condition} THEN '{name}'" for name, condition in found.items())
    where = " ".join(f"WHEN '{name}' THEN {column}" for name, column in _TEXTS.items())
    query = f"""
        SELECT id, created_at, task, model_name, name,
            substr(body, greatest(1, instr(lower(body), lower($text)) - {_BEFORE})::BIGINT, {SNIPPET})
        FROM (SELECT *, CASE name {where} END AS body
            FROM (SELECT *, CASE {which} END AS name FROM {table} WHERE rowid >= $first AND rowid < $end)
            WHERE name IS NOT NULL
            ORDER BY created_at DESC, id DESC LIMIT {MOST_HITS + 1})"""
    values = {"text": text, "first": first_row, "end": first_row + STRETCH}
    hits = [_hit(row) for row in connection.execute(query, values).fetchall()]
    next_row = min(first_row + STRETCH, rows)
    return Stretch(hits=hits[:MOST_HITS], next_row=next_row, rows=rows, is_cut=len(hits) > MOST_HITS)


def _hit(row: tuple[Any, ...]) -> Hit:
    example_id, at, task, model, name, snippet = row
    moment = (at or datetime(1970, 1, 1)).replace(tzinfo=UTC)
    return Hit(id=example_id, at=moment, task=task or "", model=model or "", found_in=name, snippet=snippet or "")
