"""Entering examples for search: in the order of time, the newest last, a few thousand at once.

A place in the index is remembered up to which all are entered. What comes later with an earlier time (an import, the
drain of another host) is met by a second look, which goes around the whole index again and again.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Final

from django.db import DatabaseError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from capture_app.jobs import job, only_run
from capture_app.models import ExampleIndex, Job
from console.examples.places import Place, beyond
from console.examples.search.schema import ENTRIES, EXAMPLES, WORDS, WORDS_OF, database, has_words

SEARCH: Final = "search"  # the job's name

_ENTERED: Final = "entered"  # in the job's notes: the place up to which all are entered
_SEEN: Final = "seen"  # and that of the second look
_AT_ONCE: Final = 2000  # examples; SQLite has one writer, and drains must not wait for long
_LOOKED_AT_ONCE: Final = 20_000
_JOB_SECONDS: Final = 20.0
_PAGE_SECONDS: Final = 0.1
_PAGE_PATIENCE: Final = 100  # milliseconds that a page waits for SQLite's writer


def enter_examples() -> int:
    """The regular job: enter what is missing, for some seconds; how many examples. Raises JobBusy."""
    with only_run(SEARCH), job(SEARCH) as run:
        if has_words(database()):
            deadline = time.monotonic() + _JOB_SECONDS
            run.started()
            run.rows = _enter(_ENTERED, _AT_ONCE, deadline) + _enter(_SEEN, _LOOKED_AT_ONCE, deadline)
        return run.rows


def enter_newest() -> bool:
    """What a page does before it searches: enter what came last, if that is quickly done. Whether all is entered."""
    if _is_all_entered():
        return True
    connection = database()
    with suppress(DatabaseError), _short_patience(connection):  # another writer is at work; it is the job's to do
        _enter(_ENTERED, _AT_ONCE, time.monotonic() + _PAGE_SECONDS)
    return _is_all_entered()


def _is_all_entered() -> bool:
    newest = ExampleIndex.objects.order_by("-created_at", "-id").values_list("created_at", "id").first()
    place = _place(_ENTERED)
    return newest is None or (place is not None and Place(*newest) <= place)


def _enter(look: str, at_once: int, deadline: float) -> int:
    """Go on from the place of this look until its end, where the second look begins anew."""
    total = 0
    while time.monotonic() < deadline:
        with transaction.atomic(using=database().alias):
            place = _place(look)
            end = _end(place, at_once)
            if end:
                total += _enter_between(place, end)
            if end or (place and look == _SEEN):
                _remember(look, end)
        if end is None:
            break
    return total


def _end(place: Place | None, at_once: int) -> Place | None:
    """The last of the next examples after the place; None: there are none."""
    following = (
        ExampleIndex.objects.using(database().alias).order_by("created_at", "id").values_list("created_at", "id")
    )
    if place:
        following = following.filter(beyond(place, later=True))
    keys = following[at_once - 1 : at_once].first() or following.reverse().first()
    return Place(*keys) if keys else None


def _enter_between(place: Place | None, end: Place) -> int:
    """Those after the place, up to the end, that are not entered yet; how many."""
    connection = database()
    adapt = connection.ops.adapt_datetimefield_value
    values = [adapt(end.at), end.id, *((adapt(place.at), place.id) if place else ())]
    condition = "(e.created_at, e.id) <= (%s, %s)" + (" AND (e.created_at, e.id) > (%s, %s)" if place else "")
    missing = f"""FROM {EXAMPLES} AS e WHERE {condition}
        AND NOT EXISTS (SELECT 1 FROM {ENTRIES} AS s WHERE s.example_id = e.id) ORDER BY e.created_at, e.id"""
    return _INSERT[connection.vendor](connection, missing, values)


def _insert_sqlite(connection: BaseDatabaseWrapper, missing: str, values: list[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT coalesce(max(id), 0) FROM {ENTRIES}")
        [last] = cursor.fetchone()
        cursor.execute(f"INSERT INTO {ENTRIES} (example_id) SELECT e.id {missing}", values)
        entered = cursor.rowcount
        words = WORDS_OF[connection.vendor]
        cursor.execute(
            f"INSERT INTO {WORDS} (rowid, words) SELECT s.id, {words} FROM {ENTRIES} AS s "
            f"JOIN {EXAMPLES} AS e ON e.id = s.example_id WHERE s.id > %s",
            [last],
        )
    return int(entered)


def _insert_postgresql(connection: BaseDatabaseWrapper, missing: str, values: list[Any]) -> int:
    words = WORDS_OF[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {ENTRIES} (example_id, words) SELECT e.id, {words} {missing} ON CONFLICT DO NOTHING", values
        )
        return int(cursor.rowcount)


_INSERT: Final[dict[str, Callable[[BaseDatabaseWrapper, str, list[Any]], int]]] = {
    "sqlite": _insert_sqlite,
    "postgresql": _insert_postgresql,
}


def _notes() -> dict[str, Any]:
    notes = Job.objects.using(database().alias).filter(pk=SEARCH).values_list("notes", flat=True).first()
    return dict(notes or {})


def _place(look: str) -> Place | None:
    noted = _notes().get(look)
    return Place(datetime.fromisoformat(noted[0]), noted[1]) if noted else None


def _remember(look: str, place: Place | None) -> None:
    noted = [place.at.isoformat(), place.id] if place else None
    notes = {**_notes(), look: noted}
    Job.objects.using(database().alias).update_or_create(name=SEARCH, defaults={"notes": notes})


@contextmanager
def _short_patience(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """A page does not wait for SQLite's writer as long as a job does."""
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        [usual] = cursor.fetchone()
        cursor.execute(f"PRAGMA busy_timeout = {_PAGE_PATIENCE}")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {usual}")
