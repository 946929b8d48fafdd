"""`python -m tests.faults.intake_kills` does what each line on its standard input says, in a child.

A line is a command, `import PATH`, `requeue` or `archive`, and perhaps `POINT N`: there the child kills itself with
SIGKILL when it gets to the point for the N-th time. How the child ended is printed.
"""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from pkgutil import resolve_name
from typing import Any
from unittest.mock import patch

import django

LOAD_RECORDS = 40


def dying_at(target: str, time: int) -> Any:
    """A patch that lets the first calls pass."""
    module, _, name = target.rpartition(".")
    original = getattr(resolve_name(module), name)
    calls = count(1)

    def call(*arguments: Any, **options: Any) -> Any:
        if next(calls) >= time:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **options)

    return patch(target, call)


def work_of(command: str, arguments: list[str]) -> Callable[[], object]:
    from training_archive.importing.service import import_examples
    from training_archive.requeue import requeue
    from training_archive.services import archive_training_data

    if command == "import":
        path = Path(arguments.pop(0))
        return lambda: import_examples([path])
    return requeue if command == "requeue" else archive_training_data


def in_child(line: str) -> int:
    """How it ended: 0, or the number of the signal that killed it as a negative number."""
    command, *arguments = line.split()
    work = work_of(command, arguments)
    pid = os.fork()
    if pid == 0:
        with ExitStack() as stack:
            if arguments:
                target, time = arguments
                stack.enter_context(dying_at(target, int(time)))
            work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main() -> None:
    from training_archive.importing import intake

    intake._LOAD_RECORDS = LOAD_RECORDS  # type: ignore[misc]  # final for the app: loads are made small
    for line in sys.stdin:
        print(in_child(line.strip()), flush=True)


if __name__ == "__main__":
    django.setup()
    main()
