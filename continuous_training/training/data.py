"""What a run is trained on: files are checked line by line, and copied in the same pass into the run's own folder."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from capture_app.files import fsync_directory, fsync_file
from capture_app.progress import Progress, silent
from capture_app.wording import counted
from continuous_training.exceptions import TrainingFailed, TrainingRefused
from continuous_training.training.chats import Line, read_lines
from continuous_training.training.folders import data_files, data_folder, write_pairs
from continuous_training.training.pairs import known_of, pair_digest

EXPORT: Final = "export"  # where the data came from: the task's export ...
FILES: Final = "files"  # ... or files that somebody named

_NAMED_PROBLEMS: Final = 10
_TOLD_EVERY: Final = 1_000  # lines


@dataclass(slots=True, kw_only=True)
class Staged:
    """What was copied."""

    source: str  # EXPORT or FILES
    files: list[dict[str, Any]] = field(default_factory=list)  # name, path, bytes, sha256 and pairs of each
    digests: set[bytes] = field(default_factory=set)  # of its pairs
    unknown_pairs: int = 0  # which no export wrote

    def facts(self) -> dict[str, Any]:
        """What the run's row says of its data.

        That is: source; pairs; unknown_pairs; and files, each with name, path, bytes, sha256 and pairs.
        """
        return {
            "source": self.source,
            "pairs": sum(each["pairs"] for each in self.files),
            "unknown_pairs": self.unknown_pairs,
            "files": self.files,
        }


def stage(paths: Sequence[Path], folder: Path, *, source: str, progress: Progress = silent) -> Staged:
    """Copy the files to `folder`, which becomes the run's. Raises TrainingRefused, naming bad lines, and OSError."""
    target = data_folder(folder)
    target.mkdir(parents=True, mode=0o700)
    staged, problems = Staged(source=source), _Problems()
    total = sum(_size(path) for path in paths)
    for number, path in enumerate(paths, start=1):
        done = sum(each["bytes"] for each in staged.files)
        staged.files.append(_copy(path, target / f"{number:05d}.jsonl", staged, problems, (progress, done, total)))
    problems.refuse()
    if not staged.digests:
        raise TrainingRefused("The files hold no line at all, so there is nothing to train on. No run was made.")
    _refuse_forgotten(staged)
    write_pairs(folder, staged.digests)
    fsync_directory(target)
    fsync_directory(folder)
    return staged


def _refuse_forgotten(staged: Staged) -> None:
    known = known_of(staged.digests)
    if known.forgotten:
        raise TrainingRefused(
            f"{counted(known.forgotten, 'pair')} in the files are of examples that were erased on request, and must "
            "not be learnt. No run was made. Take what `manage.py export_finetune` writes now."
        )
    staged.unknown_pairs = known.unknown


def _size(path: Path) -> int:
    if not path.is_file():
        raise TrainingRefused(f"{path} is no file, so nothing can be trained on it. No run was made.")
    return path.stat().st_size


def _copy(
    path: Path, target: Path, staged: Staged, problems: "_Problems", told: tuple[Progress, int, int]
) -> dict[str, Any]:
    progress, before, total = told
    sha256, size, count = hashlib.sha256(), 0, 0
    with target.open("wb") as copy:
        for line in read_lines(path):
            problems.add(path, line)
            staged.digests.add(pair_digest(line.raw))
            written = line.raw + b"\n"
            copy.write(written)
            sha256.update(written)
            size, count = size + len(written), count + 1
            if not count % _TOLD_EVERY:
                progress("checking", before + size, total)
    fsync_file(target)
    return {"name": path.name, "path": str(path), "bytes": size, "sha256": sha256.hexdigest(), "pairs": count}


class _Problems:
    """The first few lines that cannot be trained on, and how many there are."""

    def __init__(self) -> None:
        self._named: list[str] = []
        self._count = 0

    def add(self, path: Path, line: Line) -> None:
        if not line.problem:
            return
        self._count += 1
        if len(self._named) < _NAMED_PROBLEMS:
            self._named.append(f"{path}, line {line.number}: {line.problem}")

    def refuse(self) -> None:
        if self._count:
            rest = self._count - len(self._named)
            more = f"\n... and {counted(rest, 'more line')}" if rest else ""
            raise TrainingRefused(
                f"{counted(self._count, 'line')} cannot be trained on. No run was made; mend the files and ask again.\n"
                + "\n".join(self._named)
                + more
            )


def verified_files(folder: Path, facts: dict[str, Any]) -> list[Path]:
    """The run's copies. Raises TrainingFailed when they are not what was checked."""
    paths = data_files(folder)
    hashes = [_sha256(path) for path in paths]
    if hashes != [each["sha256"] for each in facts["files"]]:
        raise TrainingFailed(
            f"The run's data in {data_folder(folder)} are gone or changed, so it was not trained on them. Request "
            "the run anew."
        )
    return paths


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
