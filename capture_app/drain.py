"""From the inbox into the live database, exactly once.

Under the live database's lock, for a group of batches: one transaction that ignores ids already there, then the index
rows, then the batches are forgotten. A crash anywhere leaves the batches sealed; whoever takes the lock next repeats
them first, and the primary key absorbs what was already in. A batch that may repeat what is archived by now (see
Batch.may_repeat) is compared with the index, which knew every example before its database was taken away, and with what
was erased on request.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import orjson
from duckdb import DuckDBPyConnection

from capture_app.files import scratch_directory
from capture_app.inbox.base import Batch, Inbox
from capture_app.index import index_examples
from capture_app.known import forgotten_ids, stored_ids
from capture_app.live_database import RECORD_ERRORS, LiveDatabase, generation, ingest, live_session, records
from capture_app.metrics import count_captures
from capture_app.quarantine import BadRecord, quarantine

# What one lock period takes: half a second's work.
_GROUP_BYTES = 64 * 2**20


class Drained:
    """What a drain has done so far."""

    def __init__(self) -> None:
        self.rows = 0  # that were not in the live database yet
        self.batches = 0
        self.quarantined = 0


def drain_leftovers(live: LiveDatabase, inbox: Inbox) -> None:
    """Finish what an interrupted drain left, and seal nothing new."""
    if inbox.leftovers():
        with live_session(live.path.parent) as connection:
            while drain_group(connection, live, inbox, iter(()), Drained()):
                pass


def drain_group(
    connection: DuckDBPyConnection, live: LiveDatabase, inbox: Inbox, batches: Iterator[Batch], drained: Drained
) -> bool:
    """Finish what an interrupted drain left, then the next of `batches`, about _GROUP_BYTES in all.

    False: there was nothing to do.
    """
    group = _next_group(chain(inbox.leftovers(), batches))
    if not group:
        return False
    with live.attached(connection):
        _store(connection, live.path.parent, group, drained)
    inbox.acknowledge(*group)
    drained.batches += len(group)
    return True


def _next_group(batches: Iterator[Batch]) -> list[Batch]:
    group: list[Batch] = []
    size = 0
    for batch in batches:
        group.append(batch)
        size += batch.size
        if size >= _GROUP_BYTES:
            break
    return group


def _store(connection: DuckDBPyConnection, data_dir: Path, group: Sequence[Batch], drained: Drained) -> None:
    try:
        repeats = any(batch.may_repeat for batch in group)
        _load(connection, [batch.path for batch in group], drained, may_repeat=repeats)
    except RECORD_ERRORS:
        for batch in group:
            _store_carefully(connection, data_dir, batch, drained)


def _store_carefully(connection: DuckDBPyConnection, data_dir: Path, batch: Batch, drained: Drained) -> None:
    """One batch of which some record is bad: keep the good ones, quarantine the bad ones."""
    good, bad = _sort_out(batch.path)
    with scratch_directory(data_dir) as scratch:
        bad += _load_or_halve(connection, scratch / "lines.jsonl", good, drained, may_repeat=batch.may_repeat)
    if bad:
        quarantine(data_dir, generation=generation(connection), batch_name=batch.name, records=bad)
        drained.quarantined += len(bad)


def _sort_out(path: Path) -> tuple[list[bytes], list[BadRecord]]:
    """The lines that look like records, and those that surely are none."""
    good: list[bytes] = []
    bad: list[BadRecord] = []
    for line in path.read_bytes().split(b"\n"):
        problem = _problem(line) if line.strip() else ""
        if problem:
            bad.append(BadRecord(line, problem))
        elif line.strip():
            good.append(line)
    return good, bad


def _problem(line: bytes) -> str:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return f"no JSON: {error}"
    if not isinstance(record, dict):
        return "no JSON object"
    if record.get("id") is None:
        return "no id"
    return ""


def _load_or_halve(
    connection: DuckDBPyConnection, file: Path, lines: Sequence[bytes], drained: Drained, *, may_repeat: bool
) -> list[BadRecord]:
    """Load the lines; when DuckDB refuses them, load each half, down to the single record that it refuses."""
    if not lines:
        return []
    file.write_bytes(b"\n".join(lines) + b"\n")
    largest = max(map(len, lines)) + 1
    try:
        _load(connection, [file], drained, may_repeat=may_repeat, largest_record=largest)
        return []
    except RECORD_ERRORS as error:
        if len(lines) == 1:
            return [BadRecord(lines[0], str(error).partition("\n")[0])]
    middle = len(lines) // 2
    halves = lines[:middle], lines[middle:]
    return [bad for half in halves for bad in _load_or_halve(connection, file, half, drained, may_repeat=may_repeat)]


def _load(
    connection: DuckDBPyConnection, files: Sequence[Path], drained: Drained, *, may_repeat: bool, **options: int
) -> None:
    source = records(files, **options)
    if may_repeat:
        source = _without_known(connection, source)
    stored = ingest(connection, source)
    drained.rows += stored
    count_captures(stored)
    index_examples(connection, source, generation(connection))


def _without_known(connection: DuckDBPyConnection, source: str) -> str:
    """`source`, as SQL, without the examples that an earlier live database took away, or that were erased."""
    key = "replace(id, chr(0), ' ')"  # as the index has it
    ids = [found for (found,) in connection.execute(f"SELECT {key} FROM {source} WHERE id IS NOT NULL").fetchall()]
    known = [*stored_ids(ids, elsewhere_than=generation(connection)) | forgotten_ids(ids)]
    if not known:
        return source
    connection.execute("CREATE OR REPLACE TEMP TABLE known AS SELECT unnest(?) AS known_id", [known])
    return f"(FROM {source} ANTI JOIN known ON {key} = known_id)"
