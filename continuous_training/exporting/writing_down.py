"""What became of each example, written into Django's database together with the export that decided it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from django.db import connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from continuous_training.exporting.layout import is_taken, stem_of
from continuous_training.exporting.owners import CONVERSATION, USER, owner_key
from continuous_training.models import ExportedExample, FinetuneExport
from training_archive.exports.workspace import ALIAS, Workspace

_COLUMNS: Final = (
    "export_id",
    "task",
    "pair_hash",
    "left_out",
    "judged_at",
    "user_key",
    "conversation_key",
    "id",  # last, as an UPDATE needs it
)


def begin_export(folder: Path, now: datetime) -> FinetuneExport:
    """A new export under a name that is free in the database and in the folder."""
    number = 1
    while FinetuneExport.objects.filter(pk=(stem := stem_of(now.astimezone(UTC).date(), number))).exists() or is_taken(
        folder, stem
    ):
        number += 1
    return FinetuneExport.objects.create(pk=stem, created_at=now, folder=str(folder))


def write_down(workspace: Workspace, export: FinetuneExport | None) -> None:
    """Save the export, if anything was written, and what became of every example; all of it, or nothing.

    Raises IntegrityError when another host has exported some of them at the same time.
    """
    database = connections[router.db_for_write(ExportedExample)]
    with transaction.atomic(using=database.alias, durable=True):
        if export is not None:
            export.state = FinetuneExport.State.PUBLISHING
            export.save(force_update=True)
        with database.cursor() as cursor:
            for statement, known in ((_insert(database), "NOT IN"), (_update(database), "IN")):
                for rows in _rows(workspace, export, database, known):
                    cursor.executemany(statement, rows)


def _insert(database: BaseDatabaseWrapper) -> str:
    """Plain SQL, for Django takes several times as long; and the lock of SQLite is held meanwhile."""
    places = ", ".join(["%s"] * len(_COLUMNS))
    return f"INSERT INTO {_table(database)} ({', '.join(_COLUMNS)}) VALUES ({places})"


def _update(database: BaseDatabaseWrapper) -> str:
    values = ", ".join(f"{name} = %s" for name in _COLUMNS[:-1])
    return f"UPDATE {_table(database)} SET {values} WHERE id = %s"


def _table(database: BaseDatabaseWrapper) -> str:
    return database.ops.quote_name(ExportedExample._meta.db_table)


def _rows(
    workspace: Workspace, export: FinetuneExport | None, database: BaseDatabaseWrapper, known: str
) -> Iterator[list[Sequence[Any]]]:
    query = (
        f"SELECT id, task, hash, left_out, judged_at, user_id, conversation_id FROM {ALIAS}.outcomes "
        f"WHERE id {known} (SELECT id FROM {ALIAS}.earlier)"
    )
    for batch in workspace.batches(query):
        yield [
            (
                export.pk if export and pair_hash else None,
                task,
                pair_hash,
                left_out,
                _moment(judged_at, database),
                owner_key(USER, user) if pair_hash else "",
                owner_key(CONVERSATION, conversation) if pair_hash else "",
                example_id,
            )
            for example_id, task, pair_hash, left_out, judged_at, user, conversation in batch
        ]


def _moment(naive: datetime | None, database: BaseDatabaseWrapper) -> Any:
    return database.ops.adapt_datetimefield_value(naive.replace(tzinfo=UTC)) if naive else None
