"""Whether a record that has no id is stored already: asked for by the question, and by how the answer begins.

That is what the index has of every example. It has no index of its own for it, which each drain would have to keep: the
first question copies what matters, 16 bytes an example, into SQLite on the disk, and all others are asked there.
"""

import hashlib
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Final

from django.db import router

from capture_app.example import Example, storable
from capture_app.index import PREVIEW_CHARACTERS
from capture_app.models import ExampleIndex

_KEYS_AT_ONCE: Final = 900  # in one question; SQLite may be built to take 999 at most
_ROWS_AT_ONCE: Final = 2000


def content_key(example: Example) -> bytes:
    """Sixteen bytes that two examples share whose prompts are the same, and whose answers begin the same way."""
    return _key(example.prompt_hash, storable(example.response_strong)[:PREVIEW_CHARACTERS].replace("\0", " "))


def _key(prompt_hash: str, response_preview: str) -> bytes:
    return hashlib.blake2b(f"{prompt_hash}\0{response_preview}".encode(), digest_size=16).digest()


class StoredContents:
    """The keys of all examples that the index knows at the time of making."""

    def __init__(self, scratch: Path) -> None:
        """The file is in `scratch`, and goes with it."""
        self._path = scratch / "stored.sqlite3"
        rows = _indexed()
        with closing(sqlite3.connect(self._path)) as database:
            database.execute("PRAGMA journal_mode = OFF")
            database.execute("PRAGMA synchronous = OFF")
            database.execute("CREATE TABLE stored (key BLOB PRIMARY KEY) WITHOUT ROWID")
            while some := list(islice(rows, _ROWS_AT_ONCE)):
                database.executemany("INSERT OR IGNORE INTO stored VALUES (?)", some)
            database.commit()

    def among(self, keys: Collection[bytes]) -> set[bytes]:
        """Those of the keys that are stored."""
        found: set[bytes] = set()
        asked = iter(keys)
        with closing(sqlite3.connect(self._path)) as database:
            while some := list(islice(asked, _KEYS_AT_ONCE)):
                places = ", ".join("?" * len(some))
                rows = database.execute(f"SELECT key FROM stored WHERE key IN ({places})", some)
                found.update(key for (key,) in rows)
        return found


def _indexed() -> Iterator[tuple[bytes]]:
    rows = ExampleIndex.objects.using(router.db_for_write(ExampleIndex)).order_by()
    for prompt_hash, preview in rows.values_list("prompt_hash", "response_preview").iterator(_ROWS_AT_ONCE):
        yield (_key(prompt_hash, preview),)
