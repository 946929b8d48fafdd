"""Imported examples into the inbox, a load at a time: each load is durable, drained and counted before the next.

What is stored already, and what was erased on request, is left out before anything is written. Where ids tell it, that
is for the count and for speed: that no id is stored twice is the drain's doing, which compares again (see
`Inbox.take_in`). Where a record's id is not ours, its content has to tell, and nobody asks for that but the intake.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from capture_app.blobs import Blob, blob_path, referenced_blobs, store_blobs
from capture_app.conf import capture_settings
from capture_app.contents import possible_hmacs
from capture_app.example import RESERVED_KEY, Example
from capture_app.inbox import get_inbox
from capture_app.known import are_contents_forgotten, forgotten_contents, forgotten_ids, stored_ids
from capture_app.redaction import Withheld, redacted
from capture_app.services import drain_captures
from capture_app.withheld import withheld_files, withhold
from training_archive.importing.equals import StoredContents, content_key
from training_archive.importing.reading import IdOf

# In memory at once, examples and blobs; a drain then holds the live database's lock for less than a second.
_LOAD_BYTES: Final = 32 * 2**20
_LOAD_RECORDS: Final = 20_000


@dataclass(slots=True)
class Counts:
    """What became of the examples that were read."""

    imported: int = 0  # in the live database now; in a dry run: that would be
    already_there: int = 0
    equal: int = 0  # without an id of their own, and asked and answered as one that is there already
    forgotten: int = 0  # erased on request before, and left out
    withheld: int = 0  # could not be redacted, and are sealed in quarantine
    not_stored: int = 0  # refused by the drain; quarantine has them
    missing_blobs: int = 0  # images and files that examples refer to, and that are not in this data directory


class Waiting(NamedTuple):
    """An example of the load that is being gathered."""

    example: Example | None  # None: it needs no redaction, and its line is all there is to keep
    line: bytes
    blobs: Sequence[Blob]
    hmacs: Sequence[str]  # of its content; none when there is nothing to compare them with
    key: bytes  # of its content, among what is stored; empty when only the id counts


@dataclass(slots=True)
class Intake:
    """Add examples, and `flush` in the end. In a dry run nothing is written but work in progress, into `scratch`."""

    dry_run: bool
    scratch: Path
    keep_equal: bool = False  # store what has no id even if it equals something that is stored
    counts: Counts = field(default_factory=Counts)
    _load: dict[str, Waiting] = field(default_factory=dict)
    _bytes: int = 0
    _seen: set[str] = field(default_factory=set)  # in a dry run: ids that would be there by then
    _sealed: set[str] | None = None  # ids of what is withheld; None: not looked for yet
    _is_content_forgotten: bool = False  # whether that of any example is
    _stored: StoredContents | None = None  # None: nobody has asked yet

    def begin(self) -> None:
        """Have the index know what waits in the inbox, so that it counts as already there."""
        if not self.dry_run:
            drain_captures()
        self._is_content_forgotten = are_contents_forgotten()

    def add(self, example: Example, blobs: Sequence[Blob], id_of: IdOf) -> None:
        """Raises as `flush`."""
        if example.id in self._load:
            self.counts.already_there += 1
            return
        line = example.to_json_line()
        hmacs = _hmacs(example) if self._is_content_forgotten and id_of is not IdOf.OURS else ()
        key = content_key(example) if id_of is IdOf.NOBODY and not self.keep_equal else b""
        self._load[example.id] = Waiting(example if capture_settings().redact else None, line, blobs, hmacs, key)
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
        forgotten = (forgotten_ids(ids) | self._forgotten_by_content(load)) - known
        equal = self._equal(load) - known - forgotten
        self.counts.already_there += len(known)
        self.counts.forgotten += len(forgotten)
        self.counts.equal += len(equal)
        left_out = known | forgotten | equal
        return {example_id: waiting for example_id, waiting in load.items() if example_id not in left_out}

    def _forgotten_by_content(self, load: dict[str, Waiting]) -> set[str]:
        found = forgotten_contents([hmac for waiting in load.values() for hmac in waiting.hmacs])
        return {example_id for example_id, waiting in load.items() if not found.isdisjoint(waiting.hmacs)}

    def _equal(self, load: dict[str, Waiting]) -> set[str]:
        """Those without an id that are, most likely, something that is stored under one."""
        keys = {waiting.key for waiting in load.values() if waiting.key}
        if not keys:
            return set()
        if self._stored is None:
            self._stored = StoredContents(self.scratch)
        found = self._stored.among(keys)
        return {example_id for example_id, waiting in load.items() if waiting.key in found}

    def _kept(self, waiting: Waiting) -> bytes | None:
        """The example's line, its blobs stored; None when it was withheld, or is, redacted, one that was erased."""
        line = waiting.line
        if waiting.example is not None:
            try:
                cleared = redacted(waiting.example, capture_settings().redact)
            except Withheld as error:
                self._withhold(waiting.example, waiting.blobs, str(error))
                return None
            # What redaction left as it was has been asked for, with all of the load.
            if waiting.hmacs and (hmacs := _hmacs(cleared)) != waiting.hmacs and forgotten_contents(hmacs):
                self.counts.forgotten += 1
                return None
            line = cleared.to_json_line()
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


def _hmacs(example: Example) -> list[str]:
    return possible_hmacs(example.system_prompt, example.prompt_text, example.response_strong)


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
