"""What reading a file to import gives: one result per record, whether it is good or not.

Files to import are hostile: no record's content decides how much memory is used, and none ends the reading of the rest
unless nothing can be made of what follows.
"""

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Final, NamedTuple

from capture_app.blobs import Blob
from capture_app.example import Example
from training_archive.exceptions import ArchiveError

LONGEST_RECORD: Final = 64 * 2**20  # bytes; what is longer is refused before it is in memory

Record = Mapping[str, Any]


class Unreadable(Exception):
    """A record, or the rest of a file, cannot be imported. The text says why, without the record's content."""


class NotAnExample(Exception):
    """A sound record that is no answered call. It is counted and left out; the text says what it is."""


class IdOf(Enum):
    """Whose id a record carries."""

    OURS = "a Gleaner's: it tells which example this is"
    THEIRS = "another tool's: it tells the record from all others of that tool"
    NOBODY = "none: only its content tells it"


class Row(NamedTuple):
    """A record as its file has it, or the problem with it."""

    place: str  # "line 3", "row 3 of llm_training_chunk_..."
    record: Record | None
    problem: str = ""


class Result(NamedTuple):
    """What a record became: an example with its blobs, a problem, or something that is no example."""

    place: str
    example: Example | None
    blobs: Sequence[Blob] = ()
    problem: str = ""
    skipped: str = ""
    id_of: IdOf = IdOf.OURS  # of the example's record


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file to import, and what holds for all that is in it."""

    path: Path
    name: str  # the file's name without its folder, which may say more than it should
    size: int  # bytes
    dated: datetime  # for records that say no time: when the file was last changed, whole seconds, in UTC
    format: str
    task: str  # for all of its examples; "" leaves each its own
    data_dir: Path
    blob_bytes: int  # an image or file larger than this is not kept
    scratch: Path  # a folder for work in progress
    requests: Path | None = None  # for batch output: the batch's input


def stat_regular(path: Path) -> os.stat_result:
    """The file's facts. Raises ArchiveError unless it is a regular file: a FIFO or a device would never end."""
    try:
        found = path.stat()
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {error.strerror}. Nothing was imported from it.") from error
    if not stat.S_ISREG(found.st_mode):
        raise ArchiveError(f"{path} is no regular file. Nothing was imported from it; name files, not folders.")
    return found


def dated(found: os.stat_result) -> datetime:
    return datetime.fromtimestamp(int(found.st_mtime), UTC)
