"""Whether this process could keep a record now. Asks no database and takes no lock."""

import os
from pathlib import Path
from typing import Final

from capture_app.conf import capture_settings
from capture_app.inbox import get_inbox
from capture_app.inbox.spool import FOLDER as SPOOL
from capture_app.inbox.spool import SpoolInbox

LEAST_FREE: Final = 2**20  # bytes; a few records more would not fit


def health_problem() -> str:
    """Why no record could be kept just now, without a path or a secret; "" when all is well."""
    try:
        problem = _disk_problem(capture_settings().data_dir)
        if problem and not isinstance(get_inbox(), SpoolInbox):
            get_inbox().depth()  # an inbox elsewhere keeps records without this disk, if it answers
            return ""
        return problem
    except Exception as error:  # whatever it is, capture would meet it too
        return f"Capture does not work: {type(error).__name__}."


def _disk_problem(data_dir: Path) -> str:
    for folder in (data_dir, data_dir / SPOOL):
        if folder.exists() and not folder.is_dir():
            return "A file is in the place of a folder of the data directory."
    folder = _existing(data_dir / SPOOL)
    if not os.access(folder, os.W_OK | os.X_OK):
        return "The data directory cannot be written."
    disk = os.statvfs(folder)
    if disk.f_bavail * disk.f_frsize < LEAST_FREE or (disk.f_files and not disk.f_favail):
        return "The disk of the data directory is full."
    return ""


def _existing(folder: Path) -> Path:
    """The folder, or the one that it would be made in."""
    return next(found for found in (folder, *folder.parents) if found.exists())
