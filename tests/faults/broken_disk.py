"""A disk that is full on command, by libfiu: `python -m tests.faults.broken_disk ROLE`, with libfiu preloaded.

Each role prints what it saw as one JSON object. test_full_disk.py starts them.
"""

import ctypes
import errno
import json
import logging
import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import django
import duckdb
from django.db import Error as DatabaseError

PRELOAD = "/usr/lib/fiu/fiu_run_preload.so /usr/lib/fiu/fiu_posix_preload.so"

_WRITING_CALLS = (
    *(f"posix/io/rw/{call}" for call in ("write", "pwrite", "writev", "pwritev")),
    *(f"posix/io/sync/{call}" for call in ("fsync", "fdatasync")),
)


@contextmanager
def full_disk(*, probability: float = 1.0) -> Iterator[None]:
    """Meanwhile every write of this process fails with ENOSPC, with the given probability."""
    fiu = ctypes.CDLL("libfiu.so.0")
    fiu.fiu_enable_random.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_float]
    for call in _WRITING_CALLS:
        fiu.fiu_enable_random(call.encode(), 1, errno.ENOSPC, 0, probability)
    try:
        yield
    finally:
        for call in _WRITING_CALLS:
            fiu.fiu_disable(call.encode())


def capture(times: int) -> list[str | None]:
    from capture_app import call_llm

    return [call_llm(f"Question {number}", training_metadata={}).example_id for number in range(times)]


def spool() -> dict[str, Any]:
    from capture_app.metrics import capture_failures_total

    before = capture(3)
    with full_disk():
        meanwhile = capture(5)
    return {"kept": before + capture(3), "meanwhile": meanwhile, "failures": capture_failures_total()}


def drain() -> dict[str, Any]:
    from capture_app.exceptions import LiveDatabaseError
    from capture_app.services import capture_status, drain_captures

    kept = capture(200)
    error = ""
    with full_disk():
        try:
            drain_captures()
        except (LiveDatabaseError, OSError, DatabaseError) as failure:
            error = str(failure)
    return {"kept": kept, "error": error, "inbox_rows": capture_status().inbox_rows}


def archive() -> dict[str, Any]:
    """Archive again and again on a disk that fails now and then; never again in the last run."""
    from capture_app.exceptions import CaptureError
    from training_archive.exceptions import ArchiveError
    from training_archive.services import archive_training_data

    kept: list[str | None] = []
    failures: list[str] = []
    for _ in range(40):
        kept += capture(20)
        with full_disk(probability=random.choice((0.005, 0.02, 0.1))):
            try:
                archive_training_data()
            except (CaptureError, ArchiveError, OSError, DatabaseError, duckdb.Error) as failure:
                failures.append(f"{type(failure).__name__}: {failure}")
    archive_training_data()
    return {"kept": kept, "failures": failures}


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project_settings.settings")
    django.setup()
    logging.disable()
    print(json.dumps({"spool": spool, "drain": drain, "archive": archive}[sys.argv[1]]()))
