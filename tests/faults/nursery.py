"""`python -m tests.faults.nursery MODULE` starts and kills workers of MODULE, as each line on its standard input says.

    start READY ROLE [ARGUMENT ...]    prints the process id; the worker makes the file READY once it is at work
    kill PID                           with SIGKILL; prints 1 when it was at work until then, and 0 when it had ended

A line is a list in JSON. Workers are forks of a process in which all is loaded: a new process would take a second or
more to be at work, on a busy machine, and most of the test's time would go to that. At the end of the input all die.
"""

import json
import os
import random
import signal
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

import django


def start(workers: Any, ready: str, role: str, *arguments: str) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        os.close(0)
        random.seed()
        Path(ready).touch()
        workers.ROLES[role](*map(Path, arguments))
    except BaseException:  # a fork must never go back to where it came from, whatever its work raises
        traceback.print_exc()
    os._exit(1)


def kill(pid: int) -> bool:
    """Whether it was at work until now."""
    was_at_work = os.waitpid(pid, os.WNOHANG)[0] == 0
    if was_at_work:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return was_at_work


def main(module: str) -> None:
    import training_archive.services  # noqa: F401  (loaded once for all)

    workers, running = import_module(module), set()
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        if command == "start":
            pid = start(workers, *arguments)
            running.add(pid)
            print(pid, flush=True)
        else:
            running.remove(arguments[0])
            print(int(kill(arguments[0])), flush=True)
    for pid in running:
        kill(pid)


if __name__ == "__main__":
    django.setup()
    main(*sys.argv[1:])
