"""One at a time: whoever changes exported files, or decides what is in them, holds this lock of the data directory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from filelock import FileLock, Timeout

from capture_app.conf import capture_settings
from capture_app.exceptions import JobBusy

JOB: Final = "export_finetune"


@contextmanager
def exports_locked(*, wait_seconds: float = 0) -> Iterator[None]:
    """Raises JobBusy when another process of this host holds it for longer. A killed process holds nothing."""
    path = capture_settings().data_dir / f".{JOB}.lock"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(path, timeout=wait_seconds)  # made at use: one from before a fork raises in the child
    try:
        lock.acquire()
    except Timeout as error:
        raise JobBusy(
            f"An export of pairs is at work ({path} is held). Nothing was changed, and it goes on; run this again when "
            "it has finished."
        ) from error
    try:
        yield
    finally:
        lock.release()
