"""Cells of our own CSV as they were: `export_dataset --format csv` puts an apostrophe before what could be a formula,
and before what looks as if it had got one. The test of this goes through that export, so that the two stay in step."""

import re
from typing import Final

from capture_app.example import COLUMNS

_SIGNS: Final = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212"
_ESCAPED: Final = re.compile(f"''*(?:[\t\r\n]|[\\s\u200b-\u200f\u2060\ufeff]*[{_SIGNS}])")
_OUR_COLUMNS: Final = list(COLUMNS)


def as_they_were(names: list[str], cells: list[str]) -> list[str]:
    """The cells of a row, if the columns are exactly ours; a file of other hands keeps its apostrophes."""
    if names != _OUR_COLUMNS:
        return cells
    return [cell[1:] if cell.startswith("'") and _ESCAPED.match(cell) else cell for cell in cells]
