"""What the databases need for it, beside the table of SearchEntry: made after `migrate`, for each database its own.

SQLite keeps the words in a table of FTS5 that holds no text, PostgreSQL in a column of SearchEntry. Both find the same:
whole words, without regard to case, and beginnings of words.
"""

import logging
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from capture_app.models import ExampleIndex
from console.models import SearchEntry

EXAMPLES: Final = ExampleIndex._meta.db_table
ENTRIES: Final = SearchEntry._meta.db_table
WORDS: Final = "console_search_words"  # SQLite: the table of FTS5; PostgreSQL: the index of the column `words`
TRIGGER: Final = "console_search_forget"

# Signs part words. They are named one by one, for what else is a letter depends on the locale of the database.
_SIGNS = r"[\x01-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+"

_SQLITE: Final = (
    f"""CREATE VIRTUAL TABLE IF NOT EXISTS {WORDS}
        USING fts5(words, content='', tokenize='unicode61 remove_diacritics 0')""",
    f"INSERT INTO {WORDS} ({WORDS}) VALUES ('delete-all')",
    f"DELETE FROM {ENTRIES}",
    # FTS5 must be told what it had been given.
    f"""CREATE TRIGGER {TRIGGER} AFTER DELETE ON {EXAMPLES} BEGIN
            INSERT INTO {WORDS} ({WORDS}, rowid, words)
                SELECT 'delete', id, old.prompt_preview || ' ' || old.response_preview
                FROM {ENTRIES} WHERE example_id = old.id;
            DELETE FROM {ENTRIES} WHERE example_id = old.id;
        END""",
)
_POSTGRESQL: Final = (
    f"DELETE FROM {ENTRIES}",
    f"ALTER TABLE {ENTRIES} ADD COLUMN IF NOT EXISTS words tsvector",
    f"CREATE INDEX IF NOT EXISTS {WORDS} ON {ENTRIES} USING gin (words)",
    f"""CREATE OR REPLACE FUNCTION {TRIGGER}() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN DELETE FROM {ENTRIES} WHERE example_id = old.id; RETURN NULL; END $$""",
    f"CREATE TRIGGER {TRIGGER} AFTER DELETE ON {EXAMPLES} FOR EACH ROW EXECUTE FUNCTION {TRIGGER}()",
)
_STATEMENTS: Final = {"sqlite": _SQLITE, "postgresql": _POSTGRESQL}

_THERE: Final = {
    "sqlite": f"SELECT count(*) = 2 FROM sqlite_master WHERE name IN ('{WORDS}', '{TRIGGER}')",
    "postgresql": f"""SELECT EXISTS (SELECT 1 FROM pg_trigger
        WHERE tgname = '{TRIGGER}' AND tgrelid = to_regclass('{EXAMPLES}'))""",
}

# An entry's words, as SQL over the example `e`.
WORDS_OF: Final = {
    "sqlite": "e.prompt_preview || ' ' || e.response_preview",
    "postgresql": (
        f"to_tsvector('simple', regexp_replace(e.prompt_preview || ' ' || e.response_preview, '{_SIGNS}', ' ', 'g'))"
    ),
}

logger = logging.getLogger("console")


def database() -> BaseDatabaseWrapper:
    """Where examples and entries are written. A replica may lag behind, and does not show what was just entered."""
    return connections[router.db_for_write(SearchEntry)]


def has_words(connection: BaseDatabaseWrapper) -> bool:
    """Whether previews can be searched by words here; if not, they are looked through."""
    if connection.vendor not in _THERE or router.db_for_write(ExampleIndex) != connection.alias:
        return False
    with connection.cursor() as cursor:
        cursor.execute(_THERE[connection.vendor])
        [there] = cursor.fetchone()
    return bool(there)


def install_search(*, using: str = DEFAULT_DB_ALIAS, **kwargs: Any) -> None:
    """Make what is missing, after `migrate`. A migration of ExampleIndex may take the trigger away: then all begins
    anew, for nobody knows what was deleted meanwhile."""
    connection = connections[using]
    if using != router.db_for_write(SearchEntry) or connection.vendor not in _STATEMENTS:
        return
    if not {EXAMPLES, ENTRIES} <= set(connection.introspection.table_names()) or has_words(connection):
        return
    try:
        with transaction.atomic(using=using), connection.cursor() as cursor:
            for statement in _STATEMENTS[connection.vendor]:
                cursor.execute(statement)
    except DatabaseError as error:  # an SQLite without FTS5, or an account that may not make a trigger
        logger.warning("Previews cannot be searched by words (%s). They are looked through instead.", error)
