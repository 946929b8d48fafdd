"""Erasing from what was put aside: records in quarantine, examples withheld, and what kills left half-written."""

import base64
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from cryptography.fernet import InvalidToken

from capture_app.blobs import referenced_blobs
from capture_app.example import RESERVED_KEY
from capture_app.inbox.spool import FOLDER as SPOOL
from capture_app.quarantine import FOLDER as QUARANTINE
from capture_app.quarantine import quarantine_files, rewrite_without
from capture_app.withheld import take_files, unseal


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records are meant: any whose id, user or conversation is among these."""

    ids: Collection[str] = ()
    users: Collection[str] = ()
    conversations: Collection[str] = ()

    def is_in(self, raw: bytes) -> bool:
        """Whether a record, as the inbox has it, is meant. One that is no JSON is, when it holds one of the values."""
        try:
            record = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return any(orjson.dumps(value) in raw for value in (*self.ids, *self.users, *self.conversations))
        facts = _mapping(_mapping(_mapping(record).get("metadata")).get(RESERVED_KEY))
        return (
            str(_mapping(record).get("id")) in self.ids
            or str(facts.get("user_id")) in self.users
            or str(facts.get("conversation_id")) in self.conversations
        )


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def erase_quarantined(data_dir: Path, wanted: Wanted) -> int:
    """Take the records that are meant out of quarantine; how many. Only inside `requeue.alone`."""
    return sum(_erase(path, list(_quarantined(path, wanted))) for path in quarantine_files(data_dir))


def erase_withheld(data_dir: Path, wanted: Wanted) -> int:
    """As erase_quarantined, for what was withheld. What no key opens any more stays: nobody can read it."""
    return sum(_erase(path, list(_withheld(path, wanted))) for path in take_files(data_dir))


def blobs_in_quarantine(data_dir: Path, wanted: Wanted) -> set[str]:
    """The hashes of the blobs to which the records that are meant refer."""
    found: set[str] = set()
    for path in quarantine_files(data_dir):
        with path.open("rb") as lines:
            records = (record for line in lines for record in _records(line))
            found.update(blob for record in records if wanted.is_in(record) for blob in referenced_blobs(record))
    return found


def ids_put_aside(data_dir: Path, wanted: Wanted) -> set[str]:
    """The ids of the records that are meant, in quarantine and withheld, as far as they can be read."""
    found: set[str] = set()
    for path in quarantine_files(data_dir):
        with path.open("rb") as lines:
            found.update(_id_of(record) for line in lines for record in _records(line) if wanted.is_in(record))
    for path in take_files(data_dir):
        found.update(_id_of(record) for _, record in _withheld_records(path) if wanted.is_in(record))
    return found - {""}


def _id_of(raw: bytes) -> str:
    """ "" where there is none to be read."""
    try:
        example_id = _mapping(orjson.loads(raw)).get("id")
    except orjson.JSONDecodeError:
        return ""
    return example_id if isinstance(example_id, str) else ""


def erase_unfinished(data_dir: Path, wanted: Wanted) -> None:
    """Remove files that a kill left half-written: all in quarantine, and those in the spool that hold what is meant.

    Only inside `requeue.alone` and with the live database's lock, for then nobody else writes in quarantine. In the
    spool an import may be at work: it loses its file only when that holds such a record, says so, and can be repeated.
    """
    for path in (data_dir / QUARANTINE).glob("*/.*.tmp"):
        path.unlink(missing_ok=True)
    for path in (data_dir / SPOOL).glob(".*.tmp"):
        with suppress(FileNotFoundError):  # it was finished meanwhile, and waits for the next drain
            if _holds(path, wanted):
                path.unlink()


def _holds(path: Path, wanted: Wanted) -> bool:
    with path.open("rb") as lines:
        return any(wanted.is_in(line) for line in lines)


def _erase(path: Path, numbers: list[int]) -> int:
    if numbers:
        rewrite_without(path, set(numbers))
    return len(numbers)


def _quarantined(path: Path, wanted: Wanted) -> Iterator[int]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines):
            if any(wanted.is_in(record) for record in _records(line)):
                yield number


def _records(line: bytes) -> list[bytes]:
    """The record in a line of the quarantine, and as somebody may have mended it; the line itself when it has neither.

    Whoever mended it may have spoiled the other.
    """
    try:
        aside = _mapping(orjson.loads(line))
    except orjson.JSONDecodeError:
        return [line]
    raw, text = aside.get("raw"), aside.get("text")
    found = [text.encode()] if isinstance(text, str) else []
    if isinstance(raw, str):
        with suppress(ValueError):
            found.append(base64.b64decode(raw, validate=True))
    return found or [line]


def _withheld(path: Path, wanted: Wanted) -> Iterator[int]:
    return (number for number, record in _withheld_records(path) if wanted.is_in(record))


def _withheld_records(path: Path) -> Iterator[tuple[int, bytes]]:
    """Each record with the number of its line."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines):
            try:
                yield number, unseal(orjson.loads(line)["sealed"]).line
            except (InvalidToken, ValueError, KeyError, TypeError, AttributeError):
                yield number, line  # its id is in clear
