"""Which examples are known already: stored, wherever that is by now, or erased on request."""

from collections.abc import Iterator, Sequence

from django.db import connections, router

from capture_app.models import ExampleIndex, ForgottenExample

_IDS_AT_ONCE = 900  # in one question; SQLite may be built to take 999 at most


def stored_ids(ids: Sequence[str], *, elsewhere_than: str = "") -> set[str]:
    """Those of the ids that the index has; with `elsewhere_than`, in another database than that generation's."""
    return set(_found(ExampleIndex, ids, "generation <> %s", elsewhere_than))


def forgotten_ids(ids: Sequence[str]) -> set[str]:
    """Those of the ids whose examples were erased on request."""
    if not ForgottenExample.objects.using(router.db_for_write(ForgottenExample)).exists():
        return set()
    return set(_found(ForgottenExample, ids, "id <> %s", ""))


def _found(
    model: type[ExampleIndex] | type[ForgottenExample], ids: Sequence[str], condition: str, value: str
) -> Iterator[str]:
    """Plain SQL, because Django takes longer to prepare the ids than the database takes to find them."""
    database = connections[router.db_for_write(model)]  # a replica may lag behind
    table = database.ops.quote_name(model._meta.db_table)
    with database.cursor() as cursor:
        for start in range(0, len(ids), _IDS_AT_ONCE):
            some = ids[start : start + _IDS_AT_ONCE]
            places = ", ".join(["%s"] * len(some))
            cursor.execute(f"SELECT id FROM {table} WHERE id IN ({places}) AND {condition}", [*some, value])
            yield from (found for (found,) in cursor.fetchall())
