"""What is remembered of an example is forgotten with it; and so are examples that say it again.

Those are the calls by which exchanges were summarised, and calls for which a memory was recalled: it stands in their
prompt. They say so in their own metadata. What update_memories has read is in Repetition; what it has not read yet is
looked for in the live database and in sealed files, where it must be then.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from django.db.models import Q, QuerySet
from duckdb import DuckDBPyConnection

from capture_app.conf import capture_settings
from capture_app.example import PRIMARY_KEY, RESERVED_KEY, TABLE
from capture_app.files import scratch_directory
from capture_app.known import forgotten_ids
from capture_app.live_database import ALIAS, lock_live_database
from capture_app.memory import MARK
from capture_app.put_aside import Wanted
from continuous_training.memory.settings import REMEMBERS, TASK
from continuous_training.models import Memory, Repetition
from training_archive.erasing import attached_file
from training_archive.sealed import sealed_files

_IDS_AT_ONCE: Final = 400  # twice in one question; SQLite may be built to take 999 at most
_RECALLED: Final = f"try_cast(metadata->'$.{RESERVED_KEY}.{MARK}' AS VARCHAR[])"


def erase_memories(wanted: Wanted) -> int:
    """Erase what is remembered of the examples, users and conversations that are meant; how many exchanges."""
    erased = sum(_erase(rows) for rows in _memories(wanted))
    for some in _batches(wanted.ids):
        Repetition.objects.filter(Q(example_id__in=some) | Q(of_example_id__in=some)).delete()
    return erased


def said_again(wanted: Wanted) -> set[str]:
    """The ids of all examples that repeat those that are meant, or repeat such a repetition."""
    if not capture_settings().memory and not Repetition.objects.exists():
        return set()
    meant = set(wanted.ids).union(*(rows.values_list("pk", flat=True) for rows in _memories(wanted)))
    found: set[str] = set()
    news = meant
    while news := _repetitions(news) - meant - found:
        found |= news
    return found


def forget_forgotten(example_ids: Sequence[str]) -> set[str]:
    """Those of the examples that were forgotten by now. What was just remembered of them is erased.

    To be called after it was stored: who forgets at the same time has either seen it, or has written down what is
    looked for here.
    """
    forgotten = forgotten_ids(example_ids)
    if forgotten:
        Memory.objects.filter(pk__in=forgotten).delete()
    return forgotten


def _memories(wanted: Wanted) -> Iterator["QuerySet[Memory]"]:
    for some in _batches(wanted.ids):
        yield Memory.objects.filter(pk__in=some)
    for some in _batches(filter(None, wanted.users)):
        yield Memory.objects.filter(user_id__in=some)
    for some in _batches(filter(None, wanted.conversations)):
        yield Memory.objects.filter(conversation_id__in=some)


def _erase(rows: "QuerySet[Memory]") -> int:
    remembered = rows.exclude(summary="").count()
    rows.delete()
    return remembered


def _repetitions(ids: Collection[str]) -> set[str]:
    found: set[str] = set()
    for some in _batches(ids):
        found.update(Repetition.objects.filter(of_example_id__in=some).values_list("example_id", flat=True))
    path = capture_settings().live_database
    with lock_live_database(path) as live:
        if path.exists():
            with live.connect(read_only=True) as connection:
                found |= _repeating(connection, f"{ALIAS}.{TABLE}", ids)
    with scratch_directory(capture_settings().data_dir) as scratch:
        for sealed in sealed_files():
            with attached_file(sealed, scratch) as (connection, table):
                found |= _repeating(connection, table, ids)
    return found


def _repeating(connection: DuckDBPyConnection, table: str, ids: Collection[str]) -> set[str]:
    rows = connection.execute(
        f"SELECT {PRIMARY_KEY} FROM {table} WHERE list_has_any({_RECALLED}, $ids::VARCHAR[]) "
        f"OR (task = $task AND metadata->>'$.{REMEMBERS}' IN (SELECT unnest($ids::VARCHAR[])))",
        {"ids": list(ids), "task": TASK},
    )
    return {example_id for (example_id,) in rows.fetchall()}


def _batches(values: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(values)
    while some := list(islice(remaining, _IDS_AT_ONCE)):
        yield some
