"""Lists a page at a time. What the links hold means nothing to a client; it follows them.

Lists that are sorted by time, the newest first, are continued behind the last row that was shown: what comes or goes
meanwhile neither repeats a row nor leaves one out, and the last page costs as much as the first. Lists whose order is a
file's own are continued at a position.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar

import orjson
from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from rest_framework.request import Request
from rest_framework.utils.urls import remove_query_param, replace_query_param

from training_files.exceptions import NotFound

LIMIT: Final = 50
MOST: Final = 500

_MOST_OFFSET: Final = 2**53

_Row = TypeVar("_Row", bound=Model)
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[_Item]):
    """Some rows, and the addresses of those before and after."""

    items: Sequence[_Item]
    next: str | None
    previous: str | None


def page_of_rows(request: Request, rows: QuerySet[_Row], *, limit: int, cursor: str | None) -> Page[_Row]:
    """Rows that have `created_at`, the newest first. NotFound for a cursor that is none of ours."""
    backwards, place = _place(cursor) if cursor else (False, None)
    if place:
        rows = _beyond(rows, place, "g" if backwards else "l")
    order = ("created_at", "pk") if backwards else ("-created_at", "-pk")
    found = list(rows.order_by(*order)[: limit + 1])
    shown = found[:limit]
    if backwards:
        shown.reverse()
    has_more, came_from_elsewhere = len(found) > limit, place is not None
    has_next, has_previous = (came_from_elsewhere, has_more) if backwards else (has_more, came_from_elsewhere)
    return Page(
        items=shown,
        next=_link(request, _row_cursor("n", shown[-1])) if has_next and shown else None,
        previous=_link(request, _row_cursor("p", shown[0])) if has_previous and shown else None,
    )


def page_of_positions(
    request: Request, fetch: Callable[[int, int], Sequence[_Item]], *, limit: int, cursor: str | None
) -> Page[_Item]:
    """`fetch` gives what is at an offset, as many as it is asked for at most."""
    offset = _offset(cursor) if cursor else 0
    found = fetch(offset, limit + 1)
    before = max(0, offset - limit)
    return Page(
        items=found[:limit],
        next=_link(request, _write(["o", offset + limit])) if len(found) > limit else None,
        previous=_link(request, _write(["o", before]) if before else "") if offset else None,
    )


def _beyond(rows: QuerySet[_Row], place: tuple[datetime, str], than: str) -> QuerySet[_Row]:
    """Those greater or less than the place. That the time comes first lets an index be used."""
    moment, key = place
    after = Q(**{f"created_at__{than}t": moment}) | Q(created_at=moment, **{f"pk__{than}t": key})
    try:
        return rows.filter(Q(**{f"created_at__{than}te": moment}) & after)
    except ValidationError as error:  # the key is no UUID
        raise _no_cursor() from error


def _place(cursor: str) -> tuple[bool, tuple[datetime, str]]:
    match _read(cursor):
        case ["n" | "p" as direction, str() as moment, str() as key] if "\0" not in key:
            try:
                return direction == "p", (_utc(moment), key)
            except (ValueError, OverflowError) as error:
                raise _no_cursor() from error
    raise _no_cursor()


def _utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)


def _offset(cursor: str) -> int:
    match _read(cursor):
        case ["o", int() as offset] if 0 <= offset <= _MOST_OFFSET:
            return offset
    raise _no_cursor()


def _row_cursor(direction: str, row: Any) -> str:
    return _write([direction, row.created_at.isoformat(), str(row.pk)])


def _write(value: list[Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")


def _read(cursor: str) -> Any:
    try:
        return orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error) as error:
        raise _no_cursor() from error


def _no_cursor() -> NotFound:
    return NotFound("There is no such page: the cursor is none of this list's. Begin without one.")


def _link(request: Request, cursor: str) -> str:
    address = request.build_absolute_uri()
    return str(replace_query_param(address, "cursor", cursor) if cursor else remove_query_param(address, "cursor"))
