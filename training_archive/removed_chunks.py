"""Which chunks were removed on purpose, until shipping has told the copy elsewhere.

Shipping never takes a chunk from the copy only because it is not here: a disk that is not mounted looks the same. So
pruning and forgetting note what they remove, before they remove it, and a ship that has succeeded forgets the notes.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import orjson
from filelock import FileLock

from capture_app.conf import capture_settings
from capture_app.files import write_atomically
from training_archive.chunks import Sidecar

_NAME: Final = "removed_chunks.json"  # in the data directory: a list of names, sorted


def note_removed_chunks(names: Collection[str]) -> None:
    """Remember that these chunks are about to go, on purpose. Names of merged chunks alone do not do: see names_of."""
    if names:
        with _locked():
            _write(removed_chunks() | set(names))


def removed_chunks() -> set[str]:
    """What was noted and not forgotten since. A chunk of them may still be here: the run that noted it is at work."""
    try:
        return set(orjson.loads(_path().read_bytes()))
    except FileNotFoundError:
        return set()


def forget_noted(names: Collection[str]) -> None:
    """The copy elsewhere has lost these, too."""
    if names:
        with _locked():
            _write(removed_chunks() - set(names))


def names_of(sidecar: Sidecar) -> set[str]:
    """All that the copy may know the examples of this chunk by: its own name, and those it was merged from."""
    return {sidecar.chunk, *(source["chunk"] for source in sidecar.merged_from)}


def _path() -> Path:
    return capture_settings().data_dir / _NAME


@contextmanager
def _locked() -> Iterator[None]:
    """Pruning and shipping hold no lock in common, and may work at once."""
    path = _path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        yield


def _write(names: set[str]) -> None:
    if names:
        write_atomically(_path(), orjson.dumps(sorted(names)))
    else:
        _path().unlink(missing_ok=True)
