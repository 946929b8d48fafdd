"""The master files: all pairs of all exports, each once. One sequence of files for all tasks, and one for each.

A master grows for years, so it is not written anew each night. A file that is full stays what it is, and gets a further
name (a hard link) when there are more of them than its name says; only the last one is copied and added to. A file is
written anew when a pair in it was judged away. The manifest names the files of every sequence, and is replaced last.
"""

import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, Final

import orjson

from capture_app.files import fsync_file
from continuous_training.exceptions import ExportRefused
from continuous_training.exporting.layout import (
    MASTER,
    MASTER_MANIFEST,
    SUFFIX,
    File,
    file_name,
    hash_of,
    lane_of,
    make_private,
)
from training_archive.exports.formats.base import Shard, ShardLimits
from training_archive.exports.formats.shards import LineShardWriter, ShardNames

KIND: Final = "gleaner-fine-tune-master"
VERSION: Final = 1

Task = str | None  # None: all tasks together


@dataclass(frozen=True, slots=True)
class Master:
    """The files of each sequence, in their order."""

    files: Mapping[Task, Sequence[File]]

    def names(self) -> set[str]:
        return {file.name for files in self.files.values() for file in files}

    def with_files(self, task: Task, files: Sequence[File]) -> "Master":
        others = {other: there for other, there in self.files.items() if other != task}
        return Master({**others, task: files} if files else others)


def read_master(folder: Path) -> Master | None:
    """What the manifest says, None when there is none. Raises ExportRefused when it cannot be what was written."""
    try:
        facts = orjson.loads((folder / MASTER_MANIFEST).read_bytes())
        found: dict[Task, list[File]] = {None: [File.from_json(file) for file in facts["files"]]}
        found |= {task: [File.from_json(file) for file in files] for task, files in facts["tasks"].items()}
    except FileNotFoundError:
        return None
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise _unsound(folder / MASTER_MANIFEST) from error
    return Master({task: files for task, files in found.items() if files})


def manifest_of(master: Master, *, updated_at: datetime) -> bytes:
    facts: dict[str, Any] = {
        "kind": KIND,
        "version": VERSION,
        "updated_at": updated_at.isoformat(),
        "pairs": sum(file.pairs for file in master.files.get(None, ())),
        "files": [file.as_json() for file in master.files.get(None, ())],
        "tasks": {
            task: [file.as_json() for file in files]
            for task, files in sorted(master.files.items(), key=lambda each: each[0] or "")
            if task is not None
        },
    }
    return orjson.dumps(facts, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def write_lines(staging: Path, lane: str, stem: str, lines: Iterable[bytes], limit: int) -> list[File]:
    """Lines as files of `limit` bytes at most, on the disk when this returns; none for no lines."""
    folder = staging / lane
    make_private(folder)
    with LineShardWriter(ShardNames(folder, stem, SUFFIX[1:]), ShardLimits(bytes=limit)) as writer:
        for line in lines:
            writer.write(line)
        return [_file(shard, staging) for shard in writer.close()]


def add_to_master(
    folder: Path,
    staging: Path,
    task: Task,
    old: Sequence[File],
    lines: Iterable[bytes],
    *,
    without: Collection[str] = (),
    limit: int,
) -> list[File]:
    """Stage the files of a sequence with these lines added, and without the pairs of these hashes."""
    lane = lane_of(task)
    for file in old:
        check_sound(folder, file)
    parts = [part for file in old[:-1] for part in _kept(folder, staging, lane, file, without, limit)]
    before = lines_of(folder / old[-1].name, without) if old else ()
    parts += write_lines(staging, lane, ".last", chain(before, lines), limit)
    return [_named(staging, part, file_name(lane, MASTER, n, len(parts))) for n, part in enumerate(parts)]


def check_sound(folder: Path, file: File) -> None:
    """Raise ExportRefused when the file is gone, or not as large as it was written."""
    with suppress(FileNotFoundError):
        if (folder / file.name).stat().st_size == file.bytes:
            return
    raise _unsound(folder / file.name)


def _unsound(path: Path) -> ExportRefused:
    return ExportRefused(
        f"{path} is not what was written there. Nothing was changed, and no example is lost. Take it from a backup; or "
        f"move all {MASTER}* files of the folder and its tasks away: then the next run makes them anew from the files "
        "of the single exports."
    )


def lines_of(path: Path, without: Collection[str] = ()) -> Iterator[bytes]:
    """The lines of a file, but for pairs of these hashes."""
    with path.open("rb") as file:
        yield from (line for line in file if not without or hash_of(line) not in without)


def _kept(folder: Path, staging: Path, lane: str, file: File, without: Collection[str], limit: int) -> list[File]:
    """A full file as it is; without some of its pairs where it has them."""
    part = f".{Path(file.name).stem}"
    if without and any(hash_of(line) in without for line in lines_of(folder / file.name)):
        return write_lines(staging, lane, part, lines_of(folder / file.name, without), limit)
    name = f"{lane}/{part}".removeprefix("/")
    make_private((staging / name).parent)
    try:
        os.link(folder / file.name, staging / name)
    except OSError:  # a file system without hard links
        shutil.copy(folder / file.name, staging / name)
        fsync_file(staging / name)
    return [File(name, file.bytes, file.pairs, file.sha256)]


def _named(staging: Path, part: File, name: str) -> File:
    (staging / part.name).rename(staging / name)
    return File(name, part.bytes, part.pairs, part.sha256)


def _file(shard: Shard, folder: Path) -> File:
    return File(shard.path.relative_to(folder).as_posix(), shard.bytes, shard.rows, shard.sha256)
