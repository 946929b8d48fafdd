"""The few file operations that durability rests on."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_STALE_AFTER = 24 * 3600  # seconds; no run takes that long


def fsync_directory(directory: Path) -> None:
    """Make renames and unlinks in `directory` survive a power failure."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def scratch_directory(parent: Path) -> Iterator[Path]:
    """A private folder in `parent`/tmp for work in progress, removed afterwards, as is what killed runs left there."""
    root = parent / "tmp"
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    for stale in root.iterdir():
        if time.time() - stale.stat().st_mtime > _STALE_AFTER:
            shutil.rmtree(stale, ignore_errors=True)
    with TemporaryDirectory(dir=root) as scratch:
        yield Path(scratch)


def write_atomically(path: Path, content: bytes) -> None:
    """`path` holds the old bytes or the new ones, never a part, whatever happens."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        fsync_file(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_directory(path.parent)
