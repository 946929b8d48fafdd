"""Keeping ExampleIndex in step with the DuckDB files."""

from django.db import connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from duckdb import DuckDBPyConnection

from capture_app.example import RESERVED_KEY
from capture_app.models import ExampleIndex

PREVIEW_CHARACTERS = 200
_NAME_CHARACTERS = 200  # a task or a model's name longer than this is cut in the index, not in the example
_ROWS_AT_ONCE = 2000


def _text(expression: str, length: int = _NAME_CHARACTERS) -> str:
    # PostgreSQL stores no NUL in a text.
    return f"replace(left(coalesce({expression}, ''), {length}), chr(0), ' ')"


# Taken out of `metadata` all at once, for each way into it parses the JSON anew.
_FACTS = ("conversation_id", "user_id", "finish_reason", "partial", "tools", "cost_usd")


def _fact(name: str) -> str:
    return f"facts[{_FACTS.index(name) + 1}]"


# Field of ExampleIndex -> SQL over a table with the columns of an example.
_EXPRESSIONS = {
    "id": "replace(id, chr(0), ' ')",
    # As text in UTC, which is how Django has both databases keep and read it; no datetime is made on the way. It leaves
    # out a fraction that is zero, and SQLite compares by the characters.
    "created_at": (
        "replace(strftime(coalesce(created_at, TIMESTAMP '1970-01-01'), '%Y-%m-%d %H:%M:%S.%f'), '.000000', '')"
    ),
    "task": _text("task"),
    "provider": _text("provider"),
    "model_name": _text("model_name"),
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "latency_ms": "latency_ms",
    "prompt_hash": _text("prompt_hash"),
    "conversation_id": _text(_fact("conversation_id")),
    "user_id": _text(_fact("user_id")),
    "finish_reason": _text(_fact("finish_reason")),
    "is_partial": f"coalesce({_fact('partial')} = 'true', false)",
    "has_tools": f"({_fact('tools')}) IS NOT NULL",
    "cost_usd": f"try_cast({_fact('cost_usd')} AS DOUBLE)",
    "prompt_preview": _text("prompt_text", PREVIEW_CHARACTERS),
    "response_preview": _text("response_strong", PREVIEW_CHARACTERS),
}


def index_examples(connection: DuckDBPyConnection, table: str, generation: str) -> int:
    """Add the examples in DuckDB's `table` to the index; those already there stay as they are. The number of rows read.

    Plain SQL, because `bulk_create` was measured at five times the cost, and it would halve what a drain can take.
    """
    paths = [f"$.{RESERVED_KEY}.{name}" for name in _FACTS]
    with_facts = f"SELECT *, metadata->>{paths} AS facts FROM {table}"
    found = connection.execute(f"SELECT {', '.join(_EXPRESSIONS.values())}, ? FROM ({with_facts})", [generation])
    database = connections[router.db_for_write(ExampleIndex)]
    statement = _insert_statement(database)
    total = 0
    with transaction.atomic(using=database.alias), database.cursor() as cursor:
        while rows := found.fetchmany(_ROWS_AT_ONCE):
            cursor.executemany(statement, rows)
            total += len(rows)
    return total


def _insert_statement(database: BaseDatabaseWrapper) -> str:
    quote = database.ops.quote_name
    names = [*_EXPRESSIONS, "generation"]
    columns = ", ".join(quote(name) for name in names)  # no field of ExampleIndex renames its column
    places = ", ".join(["%s"] * len(names))
    # SQLite and PostgreSQL both speak this.
    return f"INSERT INTO {quote(ExampleIndex._meta.db_table)} ({columns}) VALUES ({places}) ON CONFLICT DO NOTHING"
