"""Which examples are known already: stored, wherever that is by now, or erased on request."""

from collections.abc import Iterator, Sequence

from django.db import connections, router
from django.db.models import Q

from capture_app.models import ExampleIndex, ForgottenCorrection, ForgottenExample

_IDS_AT_ONCE = 900  # in one question; SQLite may be built to take 999 at most


def stored_ids(ids: Sequence[str], *, elsewhere_than: str = "") -> set[str]:
    """Those of the ids that the index has; with `elsewhere_than`, in another database than that generation's."""
    return set(_found(ExampleIndex, ids, "generation <> %s", elsewhere_than))


def forgotten_ids(ids: Sequence[str]) -> set[str]:
    """Those of the ids whose examples were erased on request."""
    if not ForgottenExample.objects.using(router.db_for_write(ForgottenExample)).exists():
        return set()
    return set(_found(ForgottenExample, ids, "id <> %s", ""))


def forgotten_contents(hmacs: Sequence[str]) -> set[str]:
    """Those of the hashes (see `contents`) that are of what was asked and answered in examples erased on request."""
    forgotten = ForgottenExample.objects.using(router.db_for_write(ForgottenExample))
    found: set[str] = set()
    for start in range(0, len(hmacs), _IDS_AT_ONCE // 2):
        some = hmacs[start : start + _IDS_AT_ONCE // 2]
        matching = forgotten.filter(Q(content_hmac__in=some) | Q(corrected_hmac__in=some))
        for pair in matching.values_list("content_hmac", "corrected_hmac"):
            found.update(each for each in pair if each)
        corrected = ForgottenCorrection.objects.using(forgotten.db).filter(content_hmac__in=some)
        found.update(corrected.values_list("content_hmac", flat=True))
    return found.intersection(hmacs)


def are_contents_forgotten() -> bool:
    """Whether there is any such hash, and so anything to compare with."""
    return ForgottenExample.objects.using(router.db_for_write(ForgottenExample)).exclude(content_hmac="").exists()


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
