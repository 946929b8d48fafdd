"""`python -m tests.faults.export_finetune_disk ROLE` exports pairs to a disk that is full, or read-only.

Prints what it saw as one JSON object. test_full_disk's libfiu is needed for the full one.
"""

import json
import logging
import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django

from tests.faults.broken_disk import full_disk

_TIMES = 6
_NOBODY = 65534


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Meanwhile this process may write everywhere but to `folder`, even if it belongs to root."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o555)
    is_root = os.geteuid() == 0
    if is_root:
        _give_away(folder.parent.parent, but=folder)
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o755)


def _give_away(folder: Path, *, but: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if path != but:
            os.chown(path, _NOBODY, _NOBODY)
    for path in folder.parents:
        path.chmod(path.stat().st_mode | 0o001)  # pytest's folders are for their owner alone


def main(role: str) -> None:
    from django.core.management import call_command

    from capture_app.services import drain_captures
    from continuous_training.conf import loop_settings
    from continuous_training.exporting.service import export_finetune
    from tests.unit.continuous_training.exporting.material import answers_in, said

    call_command("migrate", verbosity=0)
    folder = loop_settings().exports_folder
    said_so_far, failures = [], []
    for number in range(_TIMES if role == "full" else 1):
        said_so_far.append(f"It costs {number} pounds, no more.")
        said(answer=said_so_far[-1])
        drain_captures()
        with read_only(folder) if role == "read_only" else full_disk(probability=random.choice((0.005, 0.05, 1))):
            failures += _failure(export_finetune)
    before = sorted(path.name for path in folder.iterdir()) if role == "read_only" else []
    export_finetune()
    written = [
        answers_in(path) for path in (folder / "master_fine_tune.jsonl", folder / "tasks/shop/master_fine_tune.jsonl")
    ]
    print(json.dumps({"said": said_so_far, "written": written, "failures": failures, "before": before}))


def _failure(act: Any) -> list[str]:
    import duckdb
    from django.db import Error as DatabaseError

    from capture_app.exceptions import CaptureError

    try:
        act()
    except (CaptureError, OSError, DatabaseError, duckdb.Error) as failure:
        return [f"{type(failure).__name__}: {failure}"]
    return []


if __name__ == "__main__":
    django.setup()
    logging.disable()
    main(sys.argv[1])
