"""The names there are to filter by: found by stepping from name to name along an index, however many rows have each."""

from typing import Final

from django.core.cache import cache
from django.db import connections, router
from django.db.models import Model

from capture_app.conf import capture_settings
from capture_app.models import ExampleIndex, ExampleTag

MOST: Final = 200  # names that are offered; any other can be typed
_SECONDS: Final = 60  # that names are remembered
_NEWEST: Final = 1_000  # examples whose providers are looked at


def tasks() -> list[str]:
    return _names(ExampleIndex, "task")


def models() -> list[str]:
    return _names(ExampleIndex, "model_name")


def tags() -> list[str]:
    return _names(ExampleTag, "tag")


def _names(model: type[Model], column: str) -> list[str]:
    """The first names in a column that an index begins with, sorted; MOST of them at most."""
    key = f"gleaner.names.{model._meta.label_lower}.{column}"
    known: list[str] | None = cache.get(key)
    if known is None:
        known = _step_through(model, column)
        cache.set(key, known, _SECONDS)
    return known


def _step_through(model: type[Model], column: str) -> list[str]:
    connection = connections[router.db_for_read(model)]
    table, name = connection.ops.quote_name(model._meta.db_table), connection.ops.quote_name(column)
    statement = f"""
        WITH RECURSIVE names (name) AS (
            SELECT min({name}) FROM {table}
            UNION ALL
            SELECT (SELECT min({name}) FROM {table} WHERE {name} > names.name) FROM names WHERE names.name IS NOT NULL
        )
        SELECT name FROM names WHERE name <> '' LIMIT %s"""
    with connection.cursor() as cursor:
        cursor.execute(statement, [MOST])
        return [found for (found,) in cursor.fetchall()]


def providers() -> list[str]:
    """Those that are configured, and those of the newest examples: no index leads from one to the next."""
    newest = ExampleIndex.objects.order_by("-created_at", "-id").values_list("provider", flat=True)[:_NEWEST]
    return sorted({*capture_settings().providers, *newest} - {""})[:MOST]
