"""Finding examples by words of their previews: the newest few thousand, in a time that does not grow with the rest."""

from dataclasses import dataclass
from typing import Final

from console.examples.search.entries import enter_newest
from console.examples.search.schema import ENTRIES, WORDS, database, has_words
from console.examples.search.words import for_fts5, for_tsquery, has_parted_words, terms_of

MOST: Final = 2_000  # examples that a search gives

_QUERIES: Final = {
    "sqlite": (
        f"SELECT s.example_id FROM {WORDS} AS w JOIN {ENTRIES} AS s ON s.id = w.rowid "
        "WHERE w.words MATCH %s ORDER BY w.rowid DESC LIMIT %s"
    ),
    "postgresql": (
        f"SELECT example_id FROM {ENTRIES} WHERE words @@ to_tsquery('simple', %s) ORDER BY id DESC LIMIT %s"
    ),
}
_LANGUAGES: Final = {"sqlite": for_fts5, "postgresql": for_tsquery}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """What a search gave."""

    ids: list[str]  # those entered last first
    is_cut: bool = False  # there are more, which came before these
    is_behind: bool = False  # examples that came just now are not entered yet


def find_by_words(question: str) -> Hits | None:
    """Examples whose previews hold the words. None: this cannot be told by words here; look through the previews."""
    connection = database()
    if not has_words(connection) or not has_parted_words(question):
        return None
    terms = terms_of(question)
    is_behind = not enter_newest()
    if not terms:
        return Hits(ids=[], is_behind=is_behind)
    with connection.cursor() as cursor:
        cursor.execute(_QUERIES[connection.vendor], [_LANGUAGES[connection.vendor](terms), MOST + 1])
        ids = [example_id for (example_id,) in cursor.fetchall()]
    return Hits(ids=ids[:MOST], is_cut=len(ids) > MOST, is_behind=is_behind)
