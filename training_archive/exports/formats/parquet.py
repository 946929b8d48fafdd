"""Parquet, written by DuckDB out of lines of JSON: typed, compressed, a few thousand rows in memory at a time."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from capture_app.duckdb_files import duckdb_session, quoted, with_enough_memory
from capture_app.example import COLUMNS, JSON_COLUMNS
from training_archive.exports.formats.base import Example, Format, ShardLimits, ShardWriter
from training_archive.exports.formats.card import write_card
from training_archive.exports.formats.columns import checked_columns
from training_archive.exports.formats.json_lines import json_line, json_text
from training_archive.exports.formats.shards import Conversion, LineShardWriter, ShardNames, Staged

_MEMORY_MB: Final = 256
_ROW_GROUP_BYTES: Final = 32 * 2**20  # of lines; what readers, and DuckDB as it writes, hold in memory
_ROW_GROUP_ROWS: Final = (2048, 122_880)  # DuckDB's vector; its default
_USUAL_LINE: Final = 16 * 2**20  # bytes


class Parquet(Format):
    """The fifteen columns with the types of the chunks: times have no zone and are in UTC, metadata is JSON text."""

    name = "parquet"
    about = "`metadata` and `slot_specs` are JSON text, `created_at` is in UTC."

    def convert(self, item: Example) -> bytes:
        columns = checked_columns(item)
        for name in JSON_COLUMNS:
            columns[name] = json_text(columns[name])
        return json_line(columns)

    def open(self, folder: Path, split: str, limits: ShardLimits, scratch: Path) -> ShardWriter:
        return parquet_writer(ShardNames(folder, split, "parquet"), limits, scratch, _TYPES)

    def finish(self, folder: Path, summary: Mapping[str, Any]) -> list[Path]:
        return write_card(folder, summary, about=self.about)


# DuckDB's JSON type would be one of its own in Arrow, which not every reader of Parquet knows.
_TYPES: Final = {name: "VARCHAR" if kind == "JSON" else kind for name, kind in COLUMNS.items()}


def parquet_writer(names: ShardNames, limits: ShardLimits, scratch: Path, types: Mapping[str, str]) -> LineShardWriter:
    """A writer of lines of JSON into Parquet; `types` are DuckDB's, by column."""
    return LineShardWriter(names, limits, scratch=scratch, conversion=_to_parquet(types, scratch))


def _to_parquet(types: Mapping[str, str], scratch: Path) -> Conversion:
    columns = ", ".join(f"{json.dumps(name)}: {quoted(kind)}" for name, kind in types.items())

    def convert(staged: Staged, path: Path) -> None:
        source = (
            f"read_json({quoted(str(staged.path))}, format = 'newline_delimited', compression = 'uncompressed', "
            f"columns = {{{columns}}}, maximum_object_size = {max(_USUAL_LINE, staged.longest + 1)})"
        )
        options = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_row_group_rows(staged)}"
        statement = f"COPY (FROM {source}) TO {quoted(str(path))} ({options})"

        def copy(memory_mb: int) -> None:
            with duckdb_session(scratch=scratch, memory_mb=memory_mb) as connection:
                connection.execute(statement)

        with_enough_memory(copy, _MEMORY_MB)

    return convert


def _row_group_rows(staged: Staged) -> int:
    fewest, most = _ROW_GROUP_ROWS
    return max(fewest, min(most, _ROW_GROUP_BYTES * staged.rows // max(1, staged.bytes)))
