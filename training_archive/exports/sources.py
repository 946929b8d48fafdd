"""Stage 1 and 2 of an export: the examples of archive and live database that pass the filters, each id once."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from capture_app.conf import capture_settings
from capture_app.duckdb_files import table_comment
from capture_app.example import COLUMNS, DEFAULT_TASK, RESERVED_KEY, TABLE
from capture_app.live_database import ALIAS as LIVE_ALIAS
from capture_app.live_database import generation, lock_live_database
from capture_app.progress import Progress
from training_archive.chunks import attach_chunk
from training_archive.dated_names import archive_zips
from training_archive.exceptions import ArchiveDamaged
from training_archive.exports.annotations import (
    CORRECTION,
    HAS_TAGS,
    RATING,
    annotated,
    bring_judgments,
    correction,
    rating,
)
from training_archive.exports.options import ARCHIVE, LIVE, ExportOptions
from training_archive.exports.workspace import ALIAS, Workspace
from training_archive.reader import CHUNK, attached_chunks
from training_archive.sealed import sealed_files

SHADOW: Final = "answer of a shadow"
LIVE_NAME: Final = "live"  # what the live database is called where a chunk's name stands

# An id in several places is taken from the first: chunks, then what is sealed, then what is live. They are read the
# other way round, because that is the way in which examples move: read so, none slips through between two places.
_SEALED_FROM: Final = 1_000_000_000
_LIVE_NUMBER: Final = 2_000_000_000

# Taken out of `metadata` all at once, for each way into it parses the JSON anew.
_PATHS = (
    RATING,
    CORRECTION,
    "task",
    "page_type",
    "domain",
    "url",
    "page_url",
    f"{RESERVED_KEY}.conversation_id",
    f"{RESERVED_KEY}.partial",
    f"{RESERVED_KEY}.shadow_of",
    f"{RESERVED_KEY}.tool_calls",
    f"{RESERVED_KEY}.messages",
)
_ATTACHMENTS = f"metadata->'$.{RESERVED_KEY}.messages[*].content[*]'"
_TEXTS = ("system_prompt", "prompt_text", "response_strong", "metadata", "slot_specs")


def _fact(path: str) -> str:
    return f"facts[{_PATHS.index(path) + 1}]"


def _text(path: str) -> str:
    return f"({_fact(path)}->>'$')"


def _string(path: str) -> str:
    return f"CASE WHEN json_type({_fact(path)}) = 'VARCHAR' THEN nullif({_text(path)}, '') END"


def _host(url: str) -> str:
    return f"lower(nullif(regexp_extract({url}, '^[a-z][a-z0-9+.-]*://(?:[^/?#@]*@)?([^/?#:]+)', 1, 'i'), ''))"


_HASH = "coalesce(nullif(prompt_hash, ''), sha256(concat(system_prompt, chr(0), prompt_text)))"
_CONVERSATION = f"nullif({_text(f'{RESERVED_KEY}.conversation_id')}, '')"
_CORRECTION = correction(_fact(CORRECTION))

# Column of `examples` -> SQL over the columns of an example and `facts`, in the order of that table.
FACTS: Final = {
    "bytes": " + ".join(f"coalesce(strlen({name}), 0)" for name in _TEXTS),
    "rating": rating(_fact(RATING)),
    "corrected": f"coalesce({_CORRECTION} <> '' AND {_CORRECTION} IS DISTINCT FROM response_strong, false)",
    # Whether there is an answer to learn from, and all of it.
    "usable": f"corrected OR (coalesce(response_strong, '') <> '' AND ({_fact(f'{RESERVED_KEY}.partial')})::VARCHAR "
    "IS DISTINCT FROM 'true')",
    # Nobody used the answer: it was asked for beside another one, to see how the model does.
    "shadow": f"{_fact(f'{RESERVED_KEY}.shadow_of')} IS NOT NULL",
    # Older files have it in one of these places.
    "label": f"coalesce(nullif(task, ''), {_string('task')}, {_string('page_type')}, '{DEFAULT_TASK}')",
    "domain": f"coalesce({_text('domain')}, {_host(_text('url'))}, {_host(_text('page_url'))}, '')",
    "prompt": f"md5({_HASH})",
    # What must not be split: a conversation, else what has the same prompt; see units.
    "unit": f"md5(coalesce('conversation ' || {_CONVERSATION}, 'prompt ' || {_HASH}))",
    # prompt_text says of an image no more than that there is one: two questions about two images would be the same.
    "attachments": f"CASE WHEN {_fact(f'{RESERVED_KEY}.messages')} IS NOT NULL AND len({_ATTACHMENTS}) > 0 "
    f"THEN md5(({_ATTACHMENTS})::VARCHAR) ELSE '' END",
    "question": f"md5(concat_ws(chr(0), {_HASH}, label, attachments))",
    "answer": "md5(concat_ws(chr(0), coalesce(response_strong, ''), "
    f"coalesce(({_fact(f'{RESERVED_KEY}.tool_calls')})::VARCHAR, ''), coalesce({_CORRECTION}, '')))",
}


@dataclass(frozen=True, slots=True)
class Source:
    """Where examples were taken from."""

    number: int  # the smaller one wins
    name: str  # the chunk's, or LIVE_NAME
    sha256: str  # of the chunk; "" for what is no chunk yet
    generations: tuple[str, ...]  # of the live databases that became it, or will


def gather(
    workspace: Workspace,
    options: ExportOptions,
    zip_path: Path,
    progress: Progress,
    *,
    are_pairs: bool,
    condition: str = "true",
    is_wanted: Callable[[str], bool] = lambda name: True,
) -> list[Source]:
    """Fill `examples` and `keys`; where from, in the order of precedence.

    `condition`: SQL that has to be true of an example besides; `is_wanted`: whether a chunk's name is worth reading.
    Raises ArchiveError or LiveDatabaseError when a source cannot be read.
    """
    if are_pairs:
        options = replace(options, min_rating=None)  # it is asked of the chosen answer only; see items
    bring_judgments(workspace)
    sources: list[Source] = []
    if options.source != ARCHIVE:
        sources += _copy_live(workspace, options, condition, progress)
        sources += _copy_sealed(workspace, options, condition, progress)
    if options.source != LIVE and (options.source == ARCHIVE or archive_zips(zip_path)):
        sources += _copy_archive(workspace, options, condition, zip_path, progress, is_wanted)
    workspace.insert("sources", ("INTEGER", "VARCHAR"), [(source.number, source.name) for source in sources])
    _make_keys(workspace)
    return sorted(sources, key=lambda source: source.number)


def leave_out_shadows(workspace: Workspace) -> None:
    """Leave out what a shadow answered, unless somebody has said what it should have been."""
    workspace.leave_out(
        SHADOW, f"SELECT rowid AS row FROM {ALIAS}.examples WHERE shadow AND NOT coalesce(corrected, false)"
    )


def _copy_live(workspace: Workspace, options: ExportOptions, condition: str, progress: Progress) -> list[Source]:
    path = capture_settings().live_database
    if not path.exists():
        return []
    progress("copying the live database", 0, 0)
    with lock_live_database(path) as live:
        if not path.exists():  # an archive run was killed between its two renames; the sealed file has all
            return []
        with live.attached(workspace.connection, read_only=True):
            _copy(workspace, f"{LIVE_ALIAS}.{TABLE}", _LIVE_NUMBER, options, condition)
            return [Source(_LIVE_NUMBER, LIVE_NAME, "", (generation(workspace.connection),))]


def _copy_sealed(workspace: Workspace, options: ExportOptions, condition: str, progress: Progress) -> list[Source]:
    sources = []
    for number, path in enumerate(sealed_files(), start=_SEALED_FROM):
        progress("copying sealed files", number - _SEALED_FROM, 0)
        try:
            attach_chunk(workspace.connection, path, CHUNK)
        except ArchiveDamaged:
            if path.exists():
                raise
            continue  # archived meanwhile; the ZIP is read after this
        try:
            _copy(workspace, f"{CHUNK}.{TABLE}", number, options, condition)
            sources.append(Source(number, path.stem, "", (table_comment(workspace.connection, CHUNK) or path.stem,)))
        finally:
            workspace.connection.execute(f"DETACH {CHUNK}")
    return sources


def _copy_archive(
    workspace: Workspace,
    options: ExportOptions,
    condition: str,
    zip_path: Path,
    progress: Progress,
    is_wanted: Callable[[str], bool],
) -> list[Source]:
    sources = []
    chunks = attached_chunks(workspace.connection, zip_path, workspace.scratch, progress, is_wanted=is_wanted)
    for number, sidecar in enumerate(chunks):
        _copy(workspace, f"{CHUNK}.{TABLE}", number, options, condition)
        sources.append(Source(number, sidecar.chunk, sidecar.sha256, tuple(sidecar.generations)))
    return sources


def _copy(workspace: Workspace, table: str, number: int, options: ExportOptions, also: str) -> None:
    condition, values = _condition(options)
    paths = [f"$.{path}" for path in _PATHS]
    columns = ", ".join(COLUMNS)
    facts = ", ".join(f"{expression} AS {name}" for name, expression in FACTS.items())
    workspace.execute(
        f"INSERT INTO {ALIAS}.examples ({columns}, source, {', '.join(FACTS)}) SELECT {columns}, {number}, {facts} "
        f"FROM (SELECT *, metadata->{paths} AS facts FROM {annotated(workspace, table)} WHERE {condition} AND {also}) "
        "WHERE ?::DOUBLE IS NULL OR rating >= ?",
        [*values, options.min_rating, options.min_rating],
    )


def _condition(options: ExportOptions) -> tuple[str, list[Any]]:
    candidates: list[tuple[str, Any]] = [
        ("id IN (SELECT unnest(?::VARCHAR[]))", list(options.ids)),  # joined, however many they are
        ("list_contains(?::VARCHAR[], task)", list(options.tasks)),
        ("list_contains(?::VARCHAR[], model_name)", list(options.models)),
        ("list_contains(?::VARCHAR[], provider)", list(options.providers)),
        (HAS_TAGS, list(options.tags)),
        ("created_at >= ?", _naive(options.since)),
        ("created_at < ?", _naive(options.until)),
    ]
    wanted = [(part, value) for part, value in candidates if value]
    return " AND ".join(["true", *(part for part, _ in wanted)]), [value for _, value in wanted]


def _naive(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment else None


def _make_keys(workspace: Workspace) -> None:
    """Each id once. Among the copies of one id, the source with the smallest number wins."""
    workspace.execute(
        f"CREATE TABLE {ALIAS}.keys AS SELECT rowid AS row, id, source, label AS task, created_at, bytes, "
        f"rating, corrected, usable, domain, prompt, unit, question, answer FROM {ALIAS}.examples "
        "QUALIFY row_number() OVER (PARTITION BY id ORDER BY source) = 1"
    )
    workspace.execute(
        f"CREATE VIEW {ALIAS}.alive AS SELECT * FROM {ALIAS}.keys WHERE row NOT IN (SELECT row FROM {ALIAS}.left_out)"
    )


def rows_taken(workspace: Workspace) -> dict[int, int]:
    """Examples of each source that count, by its number."""
    return dict(workspace.rows(f"SELECT source, count(*) FROM {ALIAS}.keys GROUP BY source"))
