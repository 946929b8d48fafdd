"""Ids that make importing twice the same as importing once, and times that do not depend on when it was done.

A record's own id is kept when it is a UUID, as ours are. Any other id, and the content of a record that has none, is
hashed into a UUID, within its format: ids of two tools may be alike.
"""

import hashlib
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from capture_app.example import RESERVED_KEY, storable
from training_archive.importing.reading import Source, Unreadable

IMPORTED_FROM: Final = "imported_from"  # under RESERVED_KEY

_NAMESPACE: Final = uuid.UUID("6f1d7c52-0a63-5b52-9c0e-5d1f4d1b7a10")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_SECONDS_UNTIL_MILLISECONDS: Final = 10**11  # numbers beyond are milliseconds: as seconds, they would be the year 5138


def example_id(family: str, source_id: Any, content: Any) -> str:
    """The id of an example whose record has `source_id`, or without one says `content`."""
    if source_id in (None, ""):
        return _hashed(family, "content", orjson.dumps(storable(content), option=orjson.OPT_SORT_KEYS))
    if isinstance(source_id, bool) or not isinstance(source_id, str | int):
        raise Unreadable("its id is no text")
    if isinstance(source_id, str) and _UUID.fullmatch(source_id):
        return source_id.lower()
    return _hashed(family, "id", str(source_id).encode("utf-8", "surrogatepass"))


def _hashed(*parts: str | bytes) -> str:
    joined = b"\0".join(part.encode() if isinstance(part, str) else part for part in parts)
    return str(uuid.uuid5(_NAMESPACE, hashlib.sha256(joined).hexdigest()))


def moment(value: Any) -> datetime | None:
    """A time in UTC: from ISO 8601 (without a zone it is UTC), or seconds or milliseconds since 1970. None: none said.

    Raises Unreadable for what is no time.
    """
    if value in (None, ""):
        return None
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000 if value > _SECONDS_UNTIL_MILLISECONDS else value, UTC)
        if isinstance(value, datetime):
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Unreadable("its time is none") from error
    raise Unreadable("its time is none")


def origin_of(source: Source, **facts: Any) -> dict[str, Any]:
    """Where an example came from: format, file name, and those of the `facts` that are not None."""
    origin = {"format": source.format, "file": source.name}
    origin.update((name, fact) for name, fact in facts.items() if fact is not None)
    return origin


def with_origin(metadata: Mapping[str, Any], origin: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata with that note in it."""
    reserved = metadata.get(RESERVED_KEY)
    kept = reserved if isinstance(reserved, dict) else {}
    return {**metadata, RESERVED_KEY: {**kept, IMPORTED_FROM: origin}}
