"""Checkpoints: the trainer writes them, and a kill may come in the middle; those that are whole have a mark."""

import shutil
from pathlib import Path
from typing import Final

from capture_app.files import fsync_directory, fsync_file, write_atomically

_WHOLE: Final = "whole"  # in a checkpoint, written last


def mark_whole(checkpoint: Path) -> None:
    """It is on the disk, and may be gone on from."""
    for path in checkpoint.iterdir():
        fsync_file(path)
    fsync_directory(checkpoint)
    write_atomically(checkpoint / _WHOLE, b"")
    fsync_directory(checkpoint.parent)


def last_checkpoint(folder: Path) -> str | None:
    """The newest whole one in the folder; those that are not whole are removed."""
    found = list(folder.glob("checkpoint-*"))
    whole = [each for each in found if (each / _WHOLE).exists()]
    for each in set(found) - set(whole):
        shutil.rmtree(each)
    return str(max(whole, key=lambda each: int(each.name.rpartition("-")[2]))) if whole else None
