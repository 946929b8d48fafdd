"""CSV of the fifteen columns that is safe to open in a spreadsheet.

A cell that a spreadsheet could take for a formula gets an apostrophe in front, and so does one that looks as if it had
got one: `unescaped` gives every cell back as it was.
"""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from capture_app.example import COLUMNS, JSON_COLUMNS, storable
from training_archive.exports.formats.base import Example, Format, Shard, ShardLimits, ShardWriter
from training_archive.exports.formats.card import write_card
from training_archive.exports.formats.columns import checked_columns
from training_archive.exports.formats.json_lines import json_text
from training_archive.exports.formats.shards import LineShardWriter, ShardNames

_HEADER: Final = ",".join(f'"{name}"' for name in COLUMNS).encode() + b"\n"

# What a formula begins with, also in full width, and behind blanks or invisible characters that programs skip.
_SIGNS: Final = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212"
_FORMULA: Final = re.compile(f"'*(?:[\t\r\n]|[\\s\u200b-\u200f\u2060\ufeff]*[{_SIGNS}])")
_GOT_ONE: Final = re.compile(f"'{_FORMULA.pattern}")
_ESCAPED: Final = "cells with an apostrophe in front, so that no spreadsheet takes them for a formula"
_WITHOUT_NUL: Final = "cells in which U+FFFD stands for NUL"


def unescaped(cell: str) -> str:
    """The cell of such a CSV as it was."""
    return cell[1:] if _GOT_ONE.match(cell) else cell


class CSVLine(NamedTuple):
    """One row."""

    line: bytes
    escaped: int  # cells
    without_nul: int  # cells


class CSV(Format):
    """All fifteen columns, metadata and slot_specs as JSON text, created_at as 2026-01-02T03:04:05.000006Z."""

    name = "csv"
    about = (
        "`metadata` and `slot_specs` are JSON text. A cell that a spreadsheet could take for a formula has an "
        "apostrophe in front."
    )

    def convert(self, item: Example) -> CSVLine:
        columns = checked_columns(item)
        for name in JSON_COLUMNS:
            columns[name] = json_text(columns[name])
        if columns["created_at"]:
            columns["created_at"] += "Z"
        try:
            return _line(columns)
        except UnicodeEncodeError:
            return _line(storable(columns))

    def open(self, folder: Path, split: str, limits: ShardLimits, scratch: Path) -> ShardWriter:
        return _CSVWriter(LineShardWriter(ShardNames(folder, split, "csv"), limits, header=_HEADER))

    def finish(self, folder: Path, summary: Mapping[str, Any]) -> list[Path]:
        return write_card(folder, summary, about=self.about)


class _CSVWriter(ShardWriter):
    def __init__(self, lines: LineShardWriter) -> None:
        self._lines = lines
        self._changes = Counter({_ESCAPED: 0, _WITHOUT_NUL: 0})

    def write(self, record: CSVLine) -> None:
        self._lines.write(record.line)
        self._changes[_ESCAPED] += record.escaped
        self._changes[_WITHOUT_NUL] += record.without_nul

    def close(self) -> list[Shard]:
        return self._lines.close()

    def discard(self) -> None:
        self._lines.discard()

    def changes(self) -> Mapping[str, int]:
        return {what: count for what, count in self._changes.items() if count}


def _line(columns: Mapping[str, Any]) -> CSVLine:
    """Raises UnicodeEncodeError for a lone surrogate. Text is quoted, NULL is an empty cell without quotes."""
    escaped = without_nul = 0
    cells: list[str] = []
    for cell in columns.values():
        if not isinstance(cell, str):
            cells.append("" if cell is None else str(cell))
            continue
        if "\0" in cell:
            cell, without_nul = cell.replace("\0", "\ufffd"), without_nul + 1
        if _FORMULA.match(cell):
            cell, escaped = "'" + cell, escaped + 1
        # csv.writer gives the same, and looks at each character on the way: a fifth of the rows in a second.
        cells.append(f'"{cell.replace(chr(34), chr(34) * 2)}"')
    return CSVLine((",".join(cells) + "\n").encode(), escaped, without_nul)
