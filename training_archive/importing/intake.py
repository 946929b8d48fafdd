"""Imported examples into the inbox, a load at a time: each load is durable, drained and counted before the next.

What is stored already, and what was erased on request, is left out before anything is written. That is for the count
and for speed; that nothing is stored twice is the drain's doing, which compares again (see `Inbox.take_in`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from capture_app.blobs import Blob, blob_path, referenced_blobs, store_blobs
from capture_app.conf import capture_settings
from capture_app.example import RESERVED_KEY, Example
from capture_app.inbox import get_inbox
from capture_app.known import forgotten_ids, stored_ids
from capture_app.redaction import Withheld, redacted
from capture_app.services import drain_captures
from capture_app.withheld import withheld_files, withhold

# In memory at once, examples and blobs; a drain then holds the live database's lock for less than a second.
_LOAD_BYTES: Final = 32 * 2**20
_LOAD_RECORDS: Final = 20_000


@dataclass(slots=True)
class Counts:
    """What became of the examples that were read."""

    imported: int = 0  # in the live database now; in a dry run: that would be
    already_there: int = 0
    forgotten: int = 0  # erased on request before, and left out
    withheld: int = 0  # could not be redacted, and are sealed in quarantine
    not_stored: int = 0  # refused by the drain; quarantine has them
    missing_blobs: int = 0  # images and files that examples refer to, and that are not in this data directory


class Waiting(NamedTuple):
    """An example of the load that is being gathered."""

    example: Example | None  # None: it needs no redaction, and its line is all there is to keep
    line: bytes
    blobs: Sequence[Blob]


@dataclass(slots=True)
class Intake:
    """Add examples, and `finish`. In a dry run nothing is written."""

    dry_run: bool
    counts: Counts = field(default_factory=Counts)
    _load: dict[str, Waiting] = field(default_factory=dict)
    _bytes: int = 0
    _seen: set[str] = field(default_factory=set)  # in a dry run: ids that would be there by then
    _sealed: set[str] | None = None  # ids of what is withheld; None: not looked for yet

    def begin(self) -> None:
        """Have the index know what waits in the inbox, so that it counts as already there."""
        if not self.dry_run:
            drain_captures()

    def add(self, example: Example, blobs: Sequence[Blob]) -> None:
        """Raises as `flush`."""
        if example.id in self._load:
            self.counts.already_there += 1
            return
        line = example.to_json_line()
        self._load[example.id] = Waiting(example if capture_settings().redact else None, line, blobs)
        self._bytes += len(line) + sum(len(blob.content) for blob in blobs)
        if self._bytes >= _LOAD_BYTES or len(self._load) >= _LOAD_RECORDS:
            self.flush()

    def flush(self) -> None:
        """Store the load. Raises InboxError or LiveDatabaseError; then do all of it again, none is stored twice."""
        load, self._load, self._bytes = self._load, {}, 0
        new = self._new(load)
        if self.dry_run:
            self._seen |= new.keys()
            self.counts.imported += len(new)
            return
        lines = {example_id: line for example_id, waiting in new.items() if (line := self._kept(waiting))}
        if lines:
            get_inbox().take_in(lines.values())
            drain_captures()
        stored = len(stored_ids(list(lines)))
        self.counts.imported += stored
        self.counts.not_stored += len(lines) - stored

    def _new(self, load: dict[str, Waiting]) -> dict[str, Waiting]:
        """Those of the load that are not stored, and not to be."""
        ids = list(load)
        known = stored_ids(ids) | (self._seen & load.keys())
        forgotten = forgotten_ids(ids)
        self.counts.already_there += len(known)
        self.counts.forgotten += len(forgotten - known)
        left_out = known | forgotten
        return {example_id: waiting for example_id, waiting in load.items() if example_id not in left_out}

    def _kept(self, waiting: Waiting) -> bytes | None:
        """The example's line, its blobs stored; None when it was withheld."""
        line = waiting.line
        if waiting.example is not None:
            try:
                line = redacted(waiting.example, capture_settings().redact).to_json_line()
            except Withheld as error:
                self._withhold(waiting.example, waiting.blobs, str(error))
                return None
        if b"blob:sha256:" in line:
            self._store_blobs(capture_settings().data_dir, line, waiting.blobs)
        return line

    def _withhold(self, example: Example, blobs: Sequence[Blob], reason: str) -> None:
        data_dir = capture_settings().data_dir
        if self._sealed is None:
            self._sealed = _sealed_ids(data_dir)
        if example.id in self._sealed:
            self.counts.already_there += 1
            return
        withhold(data_dir, example, blobs, reason)
        self._sealed.add(example.id)
        self.counts.withheld += 1

    def _store_blobs(self, data_dir: Path, line: bytes, blobs: Sequence[Blob]) -> None:
        referenced = set(referenced_blobs(line))
        store_blobs(data_dir, [blob for blob in blobs if blob.sha256 in referenced], fsync=True)
        wanted = referenced - _never_kept(orjson.loads(line))
        self.counts.missing_blobs += sum(not blob_path(data_dir, key).exists() for key in wanted)


def _never_kept(record: Any) -> set[str]:
    """The hashes of blobs that were over the limit where the example was captured."""
    found = record
    for name in ("metadata", RESERVED_KEY, "blobs"):
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, dict):
        return set()
    return {key for key, fact in found.items() if isinstance(fact, dict) and fact.get("kept") is False}


def _sealed_ids(data_dir: Path) -> set[str]:
    return {example_id for path in withheld_files(data_dir) for example_id in _ids_in(path)}


def _ids_in(path: Path) -> Iterator[str]:
    with path.open("rb") as lines:
        for line in lines:
            try:
                yield str(orjson.loads(line)["id"])
            except (orjson.JSONDecodeError, KeyError, TypeError):
                continue
