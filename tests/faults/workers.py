"""The processes that the fault tests start and kill: `python -m tests.faults.workers READY ROLE [ARGUMENT]`.

Each makes the file READY when it begins its work, and works until it is killed. A writer acknowledges a call by
appending its example id to a file, after call_llm has returned: what stands there must be in the archive, once.
"""

import os
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project_settings.settings")


_PAUSE = 0.002  # seconds: enough calls to be killed in, few enough for drains and archive runs to keep up


def write(acknowledged: Path) -> None:
    from capture_app import call_llm

    descriptor = os.open(acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for number in count():
        prompt = f"Question {number} of process {os.getpid()}. " + "All the context that it takes. " * (number % 100)
        response = call_llm(prompt, task=f"task_{number % 5}", training_metadata={"number": number})
        if response.example_id is None:
            raise SystemExit("A call was not captured, though nothing is wrong with the disk.")
        os.write(descriptor, f"{response.example_id}\n".encode())
        time.sleep(_PAUSE)


def drain() -> None:
    from capture_app.services import drain_captures

    while True:
        drain_captures()


def archive() -> None:
    from training_archive.exceptions import ArchiveBusy
    from training_archive.services import archive_training_data

    while True:
        try:
            archive_training_data(compresslevel=1)
        except ArchiveBusy:
            continue


ROLES: dict[str, Callable[..., None]] = {"write": write, "drain": drain, "archive": archive}


if __name__ == "__main__":
    django.setup()
    ready, role, *arguments = sys.argv[1:]
    Path(ready).touch()
    ROLES[role](*map(Path, arguments))
