"""The few file operations that durability rests on."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

_ALIVE = ".alive"  # in a scratch folder: locked for as long as its process lives
_STALE_AFTER = 24 * 3600  # seconds; for a folder that has no such file


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
    for folder in root.iterdir():
        if _is_abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)
    with TemporaryDirectory(dir=root, ignore_cleanup_errors=True) as scratch:
        alive = _occupy(Path(scratch))
        try:
            yield Path(scratch)
        finally:
            os.close(alive)


def _occupy(folder: Path) -> int:
    """A descriptor that holds the folder's lock; the kernel ends that with the process, however it dies."""
    unlocked = folder / ".locking"
    descriptor = os.open(unlocked, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    unlocked.rename(folder / _ALIVE)  # nobody must find it before it is locked
    return descriptor


def _is_abandoned(folder: Path) -> bool:
    try:
        descriptor = os.open(folder / _ALIVE, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:  # it is being made, or removed just now, or older than these locks
        with suppress(FileNotFoundError):
            return time.time() - folder.stat().st_mtime > _STALE_AFTER
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)


def file_size(path: Path) -> int:
    """In bytes; 0 where another process has just taken the file away."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


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
