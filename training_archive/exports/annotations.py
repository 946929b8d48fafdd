"""What people said of an example: its tags, its rating, a corrected answer. The one place that knows where that stands.

All three are keys of `metadata`, given with the call or put there by an import: `tags` is a list of strings, `rating` a
number, `correction` the text that the answer should have been. What has another shape counts as not given. More of them
are in Django's database, where a person or an application has put them: `capture_app.judgments` says what counts first.

Those are brought into the workspace once, a page at a time, and every example is read with them in its metadata. So no
stage, no filter and no format has to know that there are two places.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any, Final

from django.db.models import QuerySet
from django.db.models.functions import Length

from capture_app.duckdb_files import count_rows
from capture_app.judgments import CORRECTION, JUDGMENTS, RATING, RATINGS, TAGS
from capture_app.models import ExampleTag, Feedback, Review
from training_archive.exports.tables import has_table
from training_archive.exports.workspace import ALIAS, ROWS_AT_ONCE, Workspace

__all__ = ["CORRECTION", "RATING", "TAGS"]

# SQL that is true of `metadata` when all tags, a bound list of text, are among the example's.
HAS_TAGS: Final = f"list_has_all(coalesce(try_cast(metadata->'$.{TAGS}' AS VARCHAR[]), []), ?)"

_CHARACTERS_AT_ONCE: Final = 2**22  # of corrections, one of which may have a million
_REVIEW, _FEEDBACK = 1, 0  # the larger one counts; within one of them, what came last
_SAID: Final = ("VARCHAR", "INTEGER", "TIMESTAMP", "BIGINT")  # of what: id, which of the two, when, number

_ALL_TAGS: Final = (
    f"list_sort(list_distinct(list_concat(coalesce(try_cast(e.metadata->'$.{TAGS}' AS VARCHAR[]), []), j.tags)))"
)
# Only what was said goes over the example's own: RFC 7386 takes a key out whose value is null.
_SAID_NOW: Final = {
    RATING: ("j.rating", "j.rating"),
    CORRECTION: ("c.correction", "c.correction"),
    TAGS: ("j.tags", _ALL_TAGS),
}
_PATCHES: Final = ", ".join(
    f"CASE WHEN {said} IS NULL THEN '{{}}' ELSE json_object('{key}', {value}) END"
    for key, (said, value) in _SAID_NOW.items()
)


def rating(value: str) -> str:
    """SQL for the rating in `value`, SQL for JSON: a DOUBLE, or NULL when that is no finite number."""
    number = f"try_cast(({value})::VARCHAR AS DOUBLE)"  # the text of a JSON string has quotes, and is no number
    return f"CASE WHEN isfinite({number}) THEN {number} END"


def correction(value: str) -> str:
    """SQL for the corrected answer in `value`, SQL for JSON; NULL when that is no text."""
    return f"CASE WHEN json_type({value}) = 'VARCHAR' THEN ({value})->>'$' END"


def without_correction(example: Mapping[str, Any]) -> dict[str, Any]:
    """The example with the answer that the model gave."""
    metadata = {key: value for key, value in example["metadata"].items() if key != CORRECTION}
    return {**example, "metadata": metadata}


def bring_judgments(workspace: Workspace) -> None:
    """Make the tables `judged` (id, rating, tags, row) and `corrections`, of which `row` is a rowid, from what Django's
    database has; both are empty where there is none."""
    workspace.execute(f"CREATE TABLE {ALIAS}.judged (id VARCHAR, rating DOUBLE, tags VARCHAR[], row BIGINT)")
    workspace.execute(
        f"CREATE TABLE {ALIAS}.corrections (id VARCHAR, kind INTEGER, said_at TIMESTAMP, n BIGINT, correction VARCHAR)"
    )
    if any(has_table(model) and model._default_manager.exists() for model in JUDGMENTS):
        _copy_ratings(workspace)
        _copy_corrections(workspace)
        _copy_tags(workspace)
        _combine(workspace)


def annotated(workspace: Workspace, table: str) -> str:
    """SQL for the examples in `table`, each with all that is said of it in its metadata. Good until the next call."""
    if not count_rows(workspace.connection, f"{ALIAS}.judged"):
        return table
    # In steps, so that none holds more of the long texts in memory than it needs.
    workspace.execute(
        f"CREATE OR REPLACE TABLE {ALIAS}.here AS FROM {ALIAS}.judged WHERE id IN (SELECT id FROM {table})"
    )
    workspace.execute(
        f"CREATE OR REPLACE TABLE {ALIAS}.said AS SELECT j.id, json_merge_patch(e.metadata, {_PATCHES}) AS metadata "
        f"FROM {ALIAS}.here AS j JOIN {table} AS e ON e.id = j.id LEFT JOIN (SELECT rowid AS row, correction "
        f"FROM {ALIAS}.corrections WHERE rowid IN (SELECT row FROM {ALIAS}.here)) AS c ON c.row = j.row"
    )
    return (
        "(SELECT e.* REPLACE (CASE WHEN j.id IS NULL THEN e.metadata ELSE j.metadata END AS metadata) "
        f"FROM {table} AS e LEFT JOIN {ALIAS}.said AS j ON j.id = e.id)"
    )


def _copy_ratings(workspace: Workspace) -> None:
    workspace.execute(
        f"CREATE TABLE {ALIAS}.ratings (id VARCHAR, kind INTEGER, said_at TIMESTAMP, n BIGINT, rating DOUBLE)"
    )
    types = (*_SAID, "DOUBLE")
    for page in _pages(Review.objects.exclude(verdict=""), ("reviewed_at", "verdict")):
        rows = [(key, _REVIEW, _naive(at), 0, RATINGS.get(verdict)) for key, at, verdict in page]
        workspace.insert("ratings", types, rows)
    for page in _pages(Feedback.objects.exclude(score=None), ("example_id", "created_at", "score")):
        rows = [(key, _FEEDBACK, _naive(at), n, score) for n, key, at, score in page]
        workspace.insert("ratings", types, rows)


def _copy_corrections(workspace: Workspace) -> None:
    types = (*_SAID, "VARCHAR")
    for rows in _corrected(Review.objects.all()):
        page = rows.values_list("pk", "reviewed_at", "correction")
        workspace.insert("corrections", types, [(key, _REVIEW, _naive(at), 0, text) for key, at, text in page])
    for rows in _corrected(Feedback.objects.all()):
        page = rows.values_list("pk", "example_id", "created_at", "correction")
        workspace.insert("corrections", types, [(key, _FEEDBACK, _naive(at), n, text) for n, key, at, text in page])


def _copy_tags(workspace: Workspace) -> None:
    workspace.execute(f"CREATE TABLE {ALIAS}.tagged (id VARCHAR, tag VARCHAR)")
    for page in _pages(ExampleTag.objects.all(), ("example_id", "tag")):
        workspace.insert("tagged", ("VARCHAR", "VARCHAR"), [row[1:] for row in page])


def _combine(workspace: Workspace) -> None:
    """The texts stay where they are, for what is aggregated has to be in memory."""
    order = "{'kind': kind, 'said_at': said_at, 'n': n}"
    workspace.execute(
        f"INSERT INTO {ALIAS}.judged WITH "
        f"rated AS (SELECT id, arg_max(rating, {order}) AS rating FROM {ALIAS}.ratings GROUP BY id), "
        f"corrected AS (SELECT id, arg_max(rowid, {order}) AS row FROM {ALIAS}.corrections GROUP BY id), "
        f"tags AS (SELECT id, list(tag) AS tags FROM {ALIAS}.tagged GROUP BY id) "
        "SELECT id, rating, tags, row FROM rated FULL JOIN corrected USING (id) FULL JOIN tags USING (id)"
    )


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _corrected(rows: QuerySet[Any]) -> Iterator[QuerySet[Any]]:
    """Those that have a correction, as queries for so many of them as may be in memory at once."""
    rows = rows.exclude(correction="")
    for page in _pages(rows.annotate(characters=Length("correction")), ("characters",)):
        while page:
            total = list(accumulate(characters for _, characters in page))
            fit = max(1, bisect_right(total, _CHARACTERS_AT_ONCE))
            yield rows.filter(pk__gte=page[0][0], pk__lte=page[fit - 1][0])
            page = page[fit:]


def _pages(rows: QuerySet[Any], fields: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
    """The primary key and the fields of all rows, in the order of the key.

    Each page is a question of its own: a cursor that stays open would keep SQLite's writers out, and needs a
    transaction in PostgreSQL.
    """
    rows = rows.order_by("pk").values_list("pk", *fields)
    page = list(rows[:ROWS_AT_ONCE])
    while page:
        yield page
        page = list(rows.filter(pk__gt=page[-1][0])[:ROWS_AT_ONCE])
