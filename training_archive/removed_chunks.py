"""Which chunks are removed on purpose, noted beside the ZIP of the archive they leave.

Shipping never takes a chunk from the copy only because it is not here: a disk that is not mounted looks the same. So
pruning and forgetting note what they remove: as `leaving` before they touch anything, and as `gone` once the ZIP is
there without it. Only what is gone may leave the copy, and a ship that has succeeded forgets the note. What a killed
run left as `leaving` is settled by whoever holds the archive's locks next and has read its sidecars.

.llm_training_dataset.zip.removed.json:
{"leaving": {"llm_training_chunk_...": {"zip": "llm_training_dataset.zip", "names": ["llm_training_chunk_...", ...]}},
 "gone": ["llm_training_chunk_...", ...]}
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
from filelock import FileLock

from capture_app.files import write_atomically
from training_archive.chunks import Sidecar
from training_archive.zip_writer import remove_if_empty

_SUFFIX: Final = ".removed.json"


@dataclass(frozen=True, slots=True)
class _Leaving:
    """A chunk that is about to be removed."""

    zip: str  # the name of the ZIP that holds it
    names: list[str]  # see names_of


@dataclass(slots=True)
class _Notes:
    """What is noted of one archive."""

    leaving: dict[str, _Leaving] = field(default_factory=dict)  # by the chunk's own name
    gone: set[str] = field(default_factory=set)


@contextmanager
def removing(zip_path: Path, path: Path, sidecars: Collection[Sidecar]) -> Iterator[None]:
    """Around the removal of these chunks from `path`, one of the ZIPs of the archive at `zip_path`.

    When the block ends they are gone, and so is a ZIP in which nothing is left. When it does not end they are leaving:
    whatever became of them, settle_removals finds out. For who holds the archive's locks.
    """
    if not sidecars:
        yield
        return
    leaving = {sidecar.chunk: _Leaving(readable_name(path.name), sorted(names_of(sidecar))) for sidecar in sidecars}
    with _changing(zip_path) as notes:
        notes.leaving |= leaving
    yield
    with _changing(zip_path) as notes:
        for chunk, left in leaving.items():
            notes.leaving.pop(chunk, None)
            notes.gone.update(left.names)
    remove_if_empty(path)


def settle_removals(zip_path: Path, there: Mapping[Path, Sequence[Sidecar]]) -> None:
    """Find out what became of chunks whose removal was killed. `there` has the sidecars by ZIP, as they are now.

    One is gone when the ZIP that held it is there without it. While that ZIP is not there nobody knows. A chunk that
    came back, from a backup perhaps, is gone no longer. For who holds the archive's locks.
    """
    if not _path(zip_path).exists():
        return
    holders = {name: path for path, sidecars in there.items() for each in sidecars for name in names_of(each)}
    zips = {readable_name(path.name) for path in there}
    with _changing(zip_path) as notes:
        notes.gone -= holders.keys()
        for chunk, left in list(notes.leaving.items()):
            if chunk in holders:  # its ZIP may have been rolled over since
                notes.leaving[chunk] = _Leaving(readable_name(holders[chunk].name), left.names)
            elif left.zip in zips:
                notes.gone.update(left.names)
                del notes.leaving[chunk]


def keep_leaving(zip_path: Path) -> None:
    """Nobody goes on with removals that were killed: what is still there stays, once the index knows it again."""
    with _changing(zip_path) as notes:
        notes.leaving.clear()


def leaving_chunks(zip_path: Path) -> set[str]:
    """Chunks that a run at work is about to remove, or that a killed one was."""
    return set(_read(zip_path).leaving)


def removed_chunks(zip_path: Path) -> set[str]:
    """What was removed from the archive at `zip_path` and not forgotten since."""
    return _read(zip_path).gone


def forget_noted(zip_path: Path, names: Collection[str]) -> None:
    """The copy elsewhere has lost these, too."""
    if names:
        with _changing(zip_path) as notes:
            notes.gone.difference_update(names)


def names_of(sidecar: Sidecar) -> set[str]:
    """All that the copy may know the examples of this chunk by: its own name, and those it was merged from."""
    return {sidecar.chunk, *(source["chunk"] for source in sidecar.merged_from)}


def _path(zip_path: Path) -> Path:
    return zip_path.with_name(f".{zip_path.name}{_SUFFIX}")


def _read(zip_path: Path) -> _Notes:
    try:
        values: Mapping[str, Any] = orjson.loads(_path(zip_path).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return _Notes()
    return _Notes({chunk: _Leaving(**left) for chunk, left in values["leaving"].items()}, set(values["gone"]))


@contextmanager
def _changing(zip_path: Path) -> Iterator[_Notes]:
    """The notes, to be changed. Pruning and shipping hold no other lock in common, and may work at once."""
    path = _path(zip_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f"{path.name}.lock")):
        before, notes = _read(zip_path), _read(zip_path)
        yield notes
        if notes == before:
            return
        if notes == _Notes():
            path.unlink()
            return
        leaving = {chunk: asdict(left) for chunk, left in notes.leaving.items()}
        write_atomically(path, orjson.dumps({"leaving": leaving, "gone": sorted(notes.gone)}))


def readable_name(name: str) -> str:
    """A file's name as text that can be stored, whatever its bytes are."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
