"""Where records go that cannot be stored: kept byte for byte beside the reason, counted, and never in the way.

One JSON-lines file per batch, in a folder per generation of the live database. Quarantining the same batch again, after
a crash, replaces its file, so nothing is counted twice.
"""

import base64
import os
import shutil
from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

import orjson

from capture_app.files import fsync_directory, fsync_file, write_atomically

FOLDER: Final = "quarantine"
WITHHELD: Final = "withheld"  # in it: examples that could not be redacted, sealed

_READ_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that cannot be stored: its bytes without the newline, and why."""

    raw: bytes
    reason: str


def quarantine(data_dir: Path, *, generation: str, batch_name: str, records: Sequence[BadRecord]) -> None:
    """Keep the bad records of one batch. A line has `reason`, `text` (readable) and `raw` (the bytes, in base64).

    Whoever mends a record edits its `text`; `requeue` takes that then, and `raw` stays what was refused.
    """
    path = data_dir / FOLDER / generation / f"{batch_name}.jsonl"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    now = datetime.now(UTC)
    lines = (
        {
            "reason": record.reason,
            "quarantined_at": now,
            "text": readable(record.raw),
            "raw": base64.b64encode(record.raw).decode(),
        }
        for record in records
    )
    write_atomically(path, b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines))


def readable(raw: bytes) -> str:
    """A record as text, whatever it is: what is not UTF-8 becomes an escape of its bytes."""
    return raw.decode("utf-8", "backslashreplace")


def count_quarantined(data_dir: Path, generation: str = "*") -> int:
    """Records in quarantine: all of them, or those met while one generation of the live database was filled.

    What was withheld is not among them.
    """
    files = (data_dir / FOLDER).glob(f"{generation}/*.jsonl")
    return sum(_count_lines(path) for path in files if path.parent.name != WITHHELD)


def count_withheld(data_dir: Path) -> int:
    """Examples that could not be redacted, and wait, sealed, in quarantine."""
    return sum(_count_lines(path) for path in (data_dir / FOLDER / WITHHELD).glob("*.jsonl"))


def quarantine_files(data_dir: Path) -> list[Path]:
    """The files of records that could not be stored."""
    files = sorted((data_dir / FOLDER).glob("*/*.jsonl"))
    return [path for path in files if path.parent.name != WITHHELD]


def rewrite_without(path: Path, gone: Container[int]) -> None:
    """Leave the lines of these numbers (from 0) out of the file, the others byte for byte; remove an empty file.

    Interrupted, the file is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with path.open("rb") as old, temporary.open("wb") as new:
            new.writelines(line for number, line in enumerate(old) if number not in gone)
            left = new.tell()
        if left:
            shutil.copymode(path, temporary)
            fsync_file(temporary)
            temporary.replace(path)
        else:
            path.unlink()
    finally:
        temporary.unlink(missing_ok=True)
    fsync_directory(path.parent)


def _count_lines(path: Path) -> int:
    try:
        found = path.stat()
        return _count_lines_once(path, found.st_size, found.st_mtime_ns)
    except FileNotFoundError:  # somebody has seen it, and removed it just now
        return 0


@lru_cache(maxsize=4096)
def _count_lines_once(path: Path, size: int, mtime_ns: int) -> int:
    """Each state of a file is read once per process, for /metrics asks again and again."""
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(_READ_BYTES), b""))
