"""Stage 7 of an export: items become records, records become shards. What a format refuses is noted with its reason."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any, Final

import orjson

from capture_app.duckdb_files import count_rows, scalar
from capture_app.example import COLUMNS, JSON_COLUMNS
from capture_app.progress import Progress
from training_archive.exports.annotations import without_correction
from training_archive.exports.formats.base import Format, Pair, Refused, Shard, ShardLimits, ShardWriter
from training_archive.exports.workspace import ALIAS, Workspace

_NAMES: Final = tuple(COLUMNS)
_CREATED_AT: Final = _NAMES.index("created_at")
_JSON_PLACES: Final = tuple(_NAMES.index(name) for name in JSON_COLUMNS)

# A format may need DuckDB as well, to make its files: the share of the memory that is enough here meanwhile.
_WHILE_WRITING: Final = 2
_WHILE_FINISHING: Final = 6

Example = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Written:
    """The files of an export, as the format made them."""

    shards: Mapping[str, list[Shard]]  # by split
    changes: Mapping[str, int]  # cells that had to be changed to be written, by what was changed


class ShardWriters:
    """A writer for each split, made when its first record comes; leaving the block before `close` discards all."""

    def __init__(self, kind: Format, folder: Path, limits: ShardLimits, scratch: Path) -> None:
        self._open: Callable[[str], ShardWriter] = lambda split: kind.open(folder, split, limits, scratch)
        self._stack = ExitStack()
        self._writers: dict[str, ShardWriter] = {}

    def __enter__(self) -> "ShardWriters":
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.close()

    def write(self, split: str, record: Any) -> None:
        if split not in self._writers:
            self._writers[split] = self._stack.enter_context(self._open(split))
        self._writers[split].write(record)

    def close(self) -> Written:
        changes: Counter[str] = Counter()
        shards = {}
        for split, writer in self._writers.items():
            shards[split] = writer.close()
            changes.update(writer.changes())
        return Written(shards, changes)


class NoWriters(ShardWriters):
    """For a dry run: the records are made, and go nowhere."""

    def __init__(self) -> None:
        """There is nothing to open."""

    def __exit__(self, *error: Any) -> None:
        """There is nothing to discard."""

    def write(self, split: str, record: Any) -> None:
        """Let it go."""

    def close(self) -> Written:
        return Written({}, {})


def write_items(workspace: Workspace, kind: Format, writers: ShardWriters, progress: Progress) -> Written:
    """Write all items, each to the shards of its split. Fills the table `refused` (n, reason)."""
    workspace.execute(f"CREATE TABLE {ALIAS}.refused (n BIGINT, reason VARCHAR)")
    with workspace.less_memory(_WHILE_WRITING):
        _write_blocks(workspace, kind, writers, progress)
    with workspace.less_memory(_WHILE_FINISHING):
        return writers.close()


def _write_blocks(workspace: Workspace, kind: Format, writers: ShardWriters, progress: Progress) -> None:
    total, done = count_rows(workspace.connection, f"{ALIAS}.items"), 0
    for block in _blocks(workspace, kind.wants_pairs):
        refused = []
        for n, split, item in block:
            try:
                writers.write(split, kind.convert(item))
            except Refused as reason:
                refused.append((n, str(reason)))
            done += 1
        workspace.insert("refused", ("BIGINT", "VARCHAR"), refused)
        progress(f"writing {kind.name}", done, total)


def _blocks(workspace: Workspace, are_pairs: bool) -> Iterator[Iterator[tuple[int, str, Any]]]:
    """(n, split, example or Pair), in order; a block at a time, since sorting all at once takes memory for all."""
    columns = [f"e.{name}" for name in COLUMNS] + ([f"r.{name}" for name in COLUMNS] if are_pairs else [])
    query = (
        f"SELECT i.n, s.split, {', '.join(columns)} FROM (FROM {ALIAS}.items WHERE block = ?) AS i "
        f"JOIN {ALIAS}.splits AS s USING (unit) JOIN {ALIAS}.examples AS e ON e.rowid = i.row "
        f"{f'JOIN {ALIAS}.examples AS r ON r.rowid = i.rejected' if are_pairs else ''} ORDER BY i.n"
    )
    make = _pair if are_pairs else example_of
    last = scalar(workspace.connection, f"SELECT coalesce(max(block), -1) FROM {ALIAS}.items")
    for block in range(last + 1):
        yield ((row[0], row[1], make(row[2:])) for row in workspace.rows(query, [block]))


def _pair(row: Sequence[Any]) -> Pair:
    width = len(_NAMES)
    return Pair(chosen=example_of(row[:width]), rejected=without_correction(example_of(row[width:])))


def example_of(row: Sequence[Any]) -> Example:
    """The example whose columns these are, in their order; JSON as dicts, `created_at` aware."""
    values = list(row)
    for place in _JSON_PLACES:
        values[place] = _json_object(values[place])
    created_at = values[_CREATED_AT]
    if created_at is not None:
        values[_CREATED_AT] = created_at.replace(tzinfo=UTC)
    return dict(zip(_NAMES, values, strict=True))


def _json_object(text: str | None) -> Any:
    """What is no object counts as {}: chunks come from elsewhere too, and DuckDB's JSON is laxer than the standard."""
    if not text or text == "{}":
        return {}
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = _lax_json(text)
    return value if isinstance(value, dict) else {}


def _lax_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
