"""The fifteen columns of an example, checked, for the formats that keep them as they are."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from capture_app.example import COLUMNS
from training_archive.exports.formats.base import Example, Refused


def checked_columns(example: Example) -> dict[str, Any]:
    """The columns in their order; created_at as naive UTC, ISO 8601 with microseconds. Raises Refused.

    Only created by foreign hands is a column of another type than COLUMNS says; NULL is allowed in each.
    """
    return {name: _CHECKS[kind](example.get(name)) for name, kind in COLUMNS.items()}


def _text(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise Refused("a column is not of its type")
    return value


def _object(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refused("a column is not of its type")
    return value


def _integer(value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**63) <= value < 2**63:
        raise Refused("a column is not of its type")
    return value


def _time(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, datetime):
        raise Refused("a column is not of its type")
    try:
        utc = value.astimezone(UTC) if value.tzinfo else value
    except OverflowError as error:  # within hours of the first or last year
        raise Refused("a column is not of its type") from error
    return utc.replace(tzinfo=None).isoformat(timespec="microseconds")


_CHECKS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "VARCHAR": _text,
    "JSON": _object,
    "BIGINT": _integer,
    "TIMESTAMP": _time,
}
