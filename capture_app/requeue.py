"""What was put aside goes into the inbox again: records in quarantine that can be mended, examples withheld that can be
redacted by now.

A record in quarantine may be mended by hand: when the `text` of its line is no longer what its `raw` reads as, the text
is taken.

Always in this order: the records are in the inbox for good, and only then they leave the file they were put aside in.
Killed between the two, the next run takes them in once more, and the drain absorbs what is there (see
`Inbox.take_in`). What still cannot be stored stays where it is, byte for byte.
"""

import base64
import binascii
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
from cryptography.fernet import InvalidToken
from duckdb import DuckDBPyConnection

from capture_app.blobs import referenced_blobs, store_blobs
from capture_app.conf import capture_settings
from capture_app.duckdb_files import duckdb_session
from capture_app.example import COLUMNS, Example
from capture_app.files import scratch_directory
from capture_app.inbox import get_inbox
from capture_app.jobs import only_run
from capture_app.mending import Outcome, make_storable
from capture_app.progress import Progress, silent
from capture_app.quarantine import quarantine_files, readable, rewrite_without
from capture_app.redaction import Withheld, redacted
from capture_app.withheld import Withholding, take_files, unseal, withheld_files

REQUEUE: Final = "requeue"

_TOGETHER_BYTES: Final = 16 * 2**20  # of raw records, taken in at once


@dataclass(slots=True)
class Requeued:
    """What a run did with the records put aside in one place."""

    found: int = 0
    requeued: int = 0  # in a dry run: that would be
    mended: int = 0  # among the requeued: those that were changed to be storable
    left: Counter[str] = field(default_factory=Counter)  # reason -> records that stay where they are


class Aside(NamedTuple):
    """A record that was put aside: where in its file, and its bytes."""

    number: int  # of the line, from 0
    raw: bytes


def alone() -> AbstractContextManager[None]:
    """Raises JobBusy while another process of this host puts records in, or takes them away, beside the calls."""
    return only_run(REQUEUE)


def requeue_quarantine(*, dry_run: bool = False, progress: Progress = silent) -> Requeued:
    """Take in what is in quarantine and can be stored by now, or be mended (see `mending`). Only inside `alone`.

    A record whose `text` was edited is taken from there.

    Raises InboxError or OSError when the disk refuses; then everything is in quarantine, in the inbox, or in both.
    """
    done = Requeued()
    data_dir = capture_settings().data_dir
    files = quarantine_files(data_dir)
    with _trial_session(data_dir) as (connection, scratch):
        for position, path in enumerate(files):
            progress("reading the quarantine", position, len(files))
            gone: set[int] = set()
            for group in _in_groups(_quarantined(path, done)):
                outcomes = make_storable(connection, scratch / "trial.jsonl", [aside.raw for aside in group])
                gone |= _take_in(group, outcomes, done, dry_run=dry_run)
            if gone and not dry_run:
                rewrite_without(path, gone)
    return done


def _take_in(group: Sequence[Aside], outcomes: Sequence[Outcome], done: Requeued, *, dry_run: bool) -> set[int]:
    """Take in those of the group that can be stored; their numbers."""
    taken: dict[int, bytes] = {}
    for aside, outcome in zip(group, outcomes, strict=True):
        if outcome.problem:
            done.left[outcome.problem] += 1
        else:
            taken[aside.number] = outcome.line.strip(b"\n") + b"\n"
            done.mended += outcome.line != aside.raw
    done.requeued += len(taken) if dry_run else get_inbox().take_in(taken.values())
    return set(taken)


def _quarantined(path: Path, done: Requeued) -> Iterator[Aside]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines):
            done.found += 1
            try:
                yield Aside(number, _record(orjson.loads(line)))
            except (orjson.JSONDecodeError, binascii.Error, KeyError, TypeError, ValueError):
                done.left["no line of the quarantine"] += 1


def _record(line: Any) -> bytes:
    """The record's bytes, or its text where somebody has edited that. Raises what a malformed line may raise."""
    raw = base64.b64decode(line["raw"], validate=True)
    text = line.get("text")
    if not isinstance(text, str) or text == readable(raw):
        return raw
    return _on_one_line(text.encode())


def _on_one_line(record: bytes) -> bytes:
    """JSON may be spread over lines, and a record may not."""
    try:
        orjson.loads(record)
    except orjson.JSONDecodeError:
        return record
    return record.replace(b"\r", b" ").replace(b"\n", b" ")


def _in_groups(found: Iterator[Aside]) -> Iterator[list[Aside]]:
    group: list[Aside] = []
    size = 0
    for aside in found:
        group.append(aside)
        size += len(aside.raw)
        if size >= _TOGETHER_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


@contextmanager
def _trial_session(data_dir: Path) -> Iterator[tuple[DuckDBPyConnection, Path]]:
    """A DuckDB to try records on, and a folder for them."""
    memory_mb = capture_settings().memory_mb
    with scratch_directory(data_dir) as scratch, duckdb_session(scratch=scratch, memory_mb=memory_mb) as connection:
        yield connection, scratch


def requeue_withheld(*, dry_run: bool = False, progress: Progress = silent) -> Requeued:
    """Redact anew, with the REDACT of now, what could not be redacted, and take in what can. Only inside `alone`.

    What fails again stays sealed, as it is. Raises as `requeue_quarantine`.
    """
    done = Requeued()
    data_dir = capture_settings().data_dir
    files = withheld_files(data_dir) if dry_run else take_files(data_dir)
    for position, path in enumerate(files):
        progress("redacting what was withheld", position, len(files))
        gone: set[int] = set()
        for group in _in_groups(_cleared(path, done, dry_run=dry_run)):
            gone |= _take_in(group, [Outcome(aside.raw) for aside in group], done, dry_run=dry_run)
        if gone and not dry_run:
            rewrite_without(path, gone)
    return done


def _cleared(path: Path, done: Requeued, *, dry_run: bool) -> Iterator[Aside]:
    """The file's examples that can be redacted now, their blobs stored."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines):
            done.found += 1
            try:
                record, blobs = _clear(line)
            except Withheld as error:
                done.left[str(error)] += 1
                continue
            if not dry_run:
                store_blobs(capture_settings().data_dir, blobs, fsync=True)
            yield Aside(number, record)


def _clear(line: bytes) -> Withholding:
    """The example behind the line, redacted, and those of its blobs that it still refers to. Raises Withheld."""
    dotted_path = capture_settings().redact
    if not dotted_path:
        raise Withheld("REDACT is not set, and without it nothing is taken out of its seal")
    sealed = _open(line)
    cleared = redacted(_example(sealed.line), dotted_path).to_json_line()
    referenced = set(referenced_blobs(cleared))
    return Withholding(cleared, [blob for blob in sealed.blobs if blob.sha256 in referenced])


def _open(line: bytes) -> Withholding:
    try:
        return unseal(orjson.loads(line)["sealed"])
    except InvalidToken:
        raise Withheld("no key in SECRET_KEY and SECRET_KEY_FALLBACKS opens it") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Withheld("no line of what is withheld") from None


def _example(line: bytes) -> Example:
    """As the redactor was given it at first."""
    record = orjson.loads(line)
    example = Example(**{name: record.get(name) for name in COLUMNS})
    try:
        return example._replace(created_at=datetime.fromisoformat(record["created_at"]))
    except (KeyError, TypeError, ValueError):
        return example
