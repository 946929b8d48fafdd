"""Where an export's files lie, and what they are called.

    exports/fine_tune_2026-11-21.jsonl                   the pairs of one run; of a second one that day, ...-21-2.jsonl
    exports/fine_tune_2026-11-21.manifest.json           what was taken, what was left out and why
    exports/master_fine_tune.jsonl                       all pairs of all runs, each once
    exports/master_fine_tune.manifest.json               the master's files, and those of each task
    exports/tasks/<slug>/fine_tune_2026-11-21.jsonl      the same for one task
    exports/tasks/<slug>/master_fine_tune.jsonl
    exports/.staging/                                    what is being written, or put in place

A file that would be larger than MAX_FILE_BYTES becomes several, `fine_tune_2026-11-21-00000-of-00003.jsonl` and so on.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

SUFFIX: Final = ".jsonl"
MANIFEST_SUFFIX: Final = ".manifest.json"
MASTER: Final = "master_fine_tune"
MASTER_MANIFEST: Final = MASTER + MANIFEST_SUFFIX
STAGING: Final = ".staging"

_TASKS: Final = "tasks"
_SLUG_CHARACTERS: Final = 60
_UNSAFE = re.compile("[^a-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class File:
    """A file with pairs, one a line."""

    name: str  # in the exports folder, such as "tasks/shop/fine_tune_2026-11-21.jsonl"
    bytes: int
    pairs: int
    sha256: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> "File":
        return cls(name=facts["name"], bytes=facts["bytes"], pairs=facts["pairs"], sha256=facts["sha256"])


def make_private(folder: Path) -> None:
    """Make the folder, and those that it is in, for nobody else to look into; those that are there stay as they are."""
    for path in (*reversed(folder.parents), folder):
        if not path.is_dir():
            path.mkdir(mode=0o700, exist_ok=True)


def hash_of(line: bytes) -> str:
    """SHA-256 in hex of a line, without its newline: by it, a pair is known in every file."""
    return hashlib.sha256(line.rstrip(b"\n")).hexdigest()


def stem_of(day: date, number: int) -> str:
    """What the files of that day's `number`-th export are called, but for suffixes; it is the export's id."""
    ending = f"-{number}" if number > 1 else ""
    return f"fine_tune_{day.isoformat()}{ending}"


def lane_of(task: str | None) -> str:
    """The folder of a task's files, in the exports folder; "" for the files of all tasks."""
    return "" if task is None else f"{_TASKS}/{slug_of(task)}"


def slug_of(task: str) -> str:
    """A folder's name for a task, whatever it is called: no two tasks share one, also where case does not count."""
    slug = _UNSAFE.sub("-", task.lower()).strip("-.")[:_SLUG_CHARACTERS]
    if slug and slug == task:
        return slug
    digest = hashlib.sha256(task.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{slug}-{digest}" if slug else digest


def file_name(lane: str, stem: str, index: int, count: int) -> str:
    """Of the `index`-th of `count` files, from 0 on."""
    number = f"-{index:05d}-of-{count:05d}" if count > 1 else ""
    return f"{lane}/{stem}{number}{SUFFIX}".removeprefix("/")


def is_taken(folder: Path, stem: str) -> bool:
    """Whether any file in the folder, or in that of a task, bears the name already."""
    pattern = re.compile(rf"{re.escape(stem)}((-\d{{5}}-of-\d{{5}})?\.jsonl|\.manifest\.json)", re.ASCII)
    lanes = [folder, *(folder / _TASKS).glob("*/")]
    return any(pattern.fullmatch(path.name) for lane in lanes if lane.is_dir() for path in lane.iterdir())
