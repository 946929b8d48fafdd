"""What people said of an example, where a file has it in columns of its own: `rating`, `tags` and `correction`.

Exports look for the three in the metadata, in one shape each (see `exports.annotations`), and so they get there.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from capture_app.judged_values import finite_number
from training_archive.exports.annotations import CORRECTION, RATING, TAGS
from training_archive.importing.reading import Record


def annotations_in(record: Record) -> dict[str, Any]:
    """Those of the record, as exports read them. What cannot be read as one is left out."""
    found = {name: read(record.get(name)) for name, read in _READERS.items()}
    return {name: value for name, value in found.items() if value is not None}


def _rating(value: Any) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    number = finite_number(value)
    if number is None:
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _tags(value: Any) -> list[str] | None:
    """From a list, a list in JSON, or a text with commas between them."""
    if isinstance(value, str):
        value = _listed(value)
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        return None
    return value or None


def _listed(text: str) -> Any:
    if not text.lstrip().startswith("["):
        return [tag.strip() for tag in text.split(",") if tag.strip()]
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _correction(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {RATING: _rating, TAGS: _tags, CORRECTION: _correction}
