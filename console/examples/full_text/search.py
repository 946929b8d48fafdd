"""From file to file, the newest first, for as long as a request may take; and where to go on.

Examples move from the live database to a sealed file and on to a chunk while somebody searches. What comes next is
looked for in that order, so what moved meanwhile is met again rather than missed.
"""

import time
from dataclasses import dataclass, field, replace
from typing import Final, Self

import duckdb
from django.core import signing
from django.db.models import Sum

from capture_app.conf import capture_settings
from capture_app.exceptions import CaptureError, LiveDatabaseBusy
from capture_app.jobs import describe
from capture_app.known import forgotten_ids
from capture_app.live_database import lock_live_database
from console.example_page.chunk_cache import read_chunk
from console.examples.full_text.scan import Hit, Stretch, scan_file, scan_live
from training_archive.exceptions import ArchiveError
from training_archive.models import ArchivedChunk
from training_archive.sealed import sealed_files

SECONDS: Final = 2.0  # of one request
ENOUGH: Final = 200  # hits; then the question is too wide for a person

_LIVE, _SEALED, _CHUNK = "live", "sealed", "chunk"
_DONE: Final = -1  # in the place of a row: the file is done
_LOCK_SECONDS: Final = 1.0
_VALID: Final = 24 * 3600  # seconds during which one can go on
_SALT: Final = "console.examples.full_text"
_UNREADABLE = (CaptureError, ArchiveError, OSError, duckdb.Error)


@dataclass(frozen=True, slots=True)
class Position:
    """Where the search is."""

    kind: str = _LIVE
    name: str = ""  # of a live database, its generation; of a file, its own; "": the newest one
    row: int = 0
    looked: int = 0  # rows, in all
    hits: int = 0  # in all

    def token(self, question: str, user: str) -> str:
        """To go on with: good for this question of this user, and nobody else can write one."""
        values = [self.kind, self.name, self.row, self.looked, self.hits]
        return signing.dumps(values, salt=f"{_SALT}:{user}:{question}")

    @classmethod
    def from_token(cls, token: str, question: str, user: str) -> Self | None:
        """None when it is no good (any more)."""
        try:
            return cls(*signing.loads(token, salt=f"{_SALT}:{user}:{question}", max_age=_VALID))
        except signing.BadSignature:
            return None


@dataclass(slots=True)
class Step:
    """What one request found."""

    position: Position | None  # where to go on; None: all was looked through
    hits: list[Hit] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)  # what could not be looked through, in words
    at: str = ""  # what was looked through last
    is_cut: bool = False  # somewhere were more hits than are shown
    looked: int = 0  # rows, in all
    left: int = 0  # rows that are still to be looked through, about

    def take(self, stretch: Stretch, here: Position) -> Position:
        """Keep what was found; where the next stretch begins."""
        forgotten = forgotten_ids([hit.id for hit in stretch.hits])  # whose erasure is not finished
        hits = [hit for hit in stretch.hits if hit.id not in forgotten]
        self.hits += hits
        self.is_cut |= stretch.is_cut
        self.left = stretch.left
        rows = stretch.next_row - here.row
        return replace(here, row=stretch.next_row, looked=here.looked + max(rows, 0), hits=here.hits + len(hits))


def search_on(question: str, position: Position, *, seconds: float = SECONDS) -> Step:
    """Look through the files from the position on, for as long; one stretch at least."""
    deadline = time.monotonic() + seconds
    step = Step(position=position, looked=position.looked)
    while step.position:
        step.looked = step.position.looked
        step.position = _LOOKS[step.position.kind](question, step.position, step)
        if step.position:
            step.looked = step.position.looked
            if step.position.hits >= ENOUGH or time.monotonic() >= deadline:
                break
    step.left += _rows_ahead(step.position)
    return step


def _look_live(question: str, here: Position, step: Step) -> Position | None:
    step.at = "the live database"
    path = capture_settings().live_database
    onward = replace(here, kind=_SEALED, name="", row=0)
    if not path.exists():
        return onward
    try:
        with lock_live_database(path, timeout=_LOCK_SECONDS) as live:
            if not path.exists():  # an archive run was killed between its renames; the sealed file has all
                return onward
            stretch, generation = scan_live(live, question, here.row)
    except LiveDatabaseBusy:
        step.problems.append("The live database is in use by a drain or an archive run, and was passed over.")
        return onward
    except _UNREADABLE as error:
        step.problems.append(f"The live database could not be read: {describe(error)}.")
        return onward
    if here.name not in ("", generation):  # archived meanwhile: it is a file now
        return onward
    reached = step.take(stretch, replace(here, name=generation))
    return reached if stretch.left else replace(reached, kind=_SEALED, name="", row=0)


def _look_sealed(question: str, here: Position, step: Step) -> Position | None:
    waiting = [path for path in reversed(sealed_files()) if not here.name or _is_ahead(path.stem, here)]
    if not waiting:
        return replace(here, kind=_CHUNK, name="", row=0)
    path = waiting[0]
    start = _start(here, path.stem)
    step.at = f"the sealed file {path.stem}"
    try:
        return _reached(step, start, scan_file(path, question, start.row))
    except _UNREADABLE as error:
        if path.exists():  # else it was archived just now, and is met there
            step.problems.append(f"{path.stem} could not be read: {describe(error)}.")
        return replace(start, row=_DONE)


def _look_chunk(question: str, here: Position, step: Step) -> Position | None:
    chunks = ArchivedChunk.objects.order_by("-name")
    if here.name:
        chunks = chunks.filter(name__lt=here.name) if here.row == _DONE else chunks.filter(name__lte=here.name)
    chunk = chunks.first()
    if chunk is None:
        return None
    start = _start(here, chunk.name)
    step.at = f"the chunk {chunk.name}"
    try:
        stretch = read_chunk(chunk, lambda path: scan_file(path, question, start.row), in_passing=True)
        return _reached(step, start, stretch)
    except _UNREADABLE as error:
        step.problems.append(f"{chunk.name} could not be read: {describe(error)}.")
        return replace(start, row=_DONE)


_LOOKS: Final = {_LIVE: _look_live, _SEALED: _look_sealed, _CHUNK: _look_chunk}


def _start(here: Position, name: str) -> Position:
    """In the file of this name: where the last stretch ended, or its first row."""
    return replace(here, name=name, row=here.row if name == here.name else 0)


def _reached(step: Step, start: Position, stretch: Stretch) -> Position:
    reached = step.take(stretch, start)
    return reached if stretch.left else replace(reached, row=_DONE)


def _is_ahead(name: str, here: Position) -> bool:
    return name < here.name or (name == here.name and here.row != _DONE)


def _rows_ahead(position: Position | None) -> int:
    """In the chunks behind the current file; sealed files are not counted, they are on their way there."""
    if position is None:
        return 0
    chunks = ArchivedChunk.objects.all()
    if position.kind == _CHUNK and position.name:
        chunks = chunks.filter(name__lt=position.name)
    return int(chunks.aggregate(rows=Sum("rows"))["rows"] or 0)
