"""gunicorn's side of `load`: its configuration, and an application that makes a captured call for each request.

    gunicorn --config python:benchmarks.load_web benchmarks.load_web:application

Each call is written down in a file of its process: when it ended (seconds since the epoch), what call_llm took beyond
the provider's own time (microseconds), and the id of its example, or what went wrong.
"""

import json
import os
import time
from collections.abc import Callable, Iterable
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import django

django.setup()

from benchmarks.environment import CALLS, NOTES  # noqa: E402  (the settings come first)
from benchmarks.paced import own_seconds  # noqa: E402  (likewise)
from capture_app import call_llm  # noqa: E402  (likewise)

preload_app = True
worker_class = "gthread"
timeout = 120  # seconds

_calls: Final = cycle(json.loads(Path(os.environ[CALLS]).read_text()))
_notes: tuple[int, int] = (0, -1)  # process, descriptor


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """WSGI. 200 when the call was answered and captured, else 500."""
    call = next(_calls)
    started = time.perf_counter()
    try:
        example_id = call_llm(**call).example_id
        overhead = time.perf_counter() - started - own_seconds()
        outcome = example_id or "not-captured"
    except Exception as error:  # whatever the caller would have met is what is counted
        example_id, overhead, outcome = None, 0.0, f"error-{type(error).__name__}"
    _note(f"{time.time():.4f} {overhead * 1e6:.1f} {outcome}\n")
    body = outcome.encode()
    start_response(
        "200 OK" if example_id else "500 Internal Server Error",
        [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))],
    )
    return [body]


def _note(line: str) -> None:
    os.write(_descriptor(), line.encode())


def _descriptor() -> int:
    """Of this process's file: the master's would be shared by all workers."""
    global _notes
    pid = os.getpid()
    if _notes[0] != pid:
        path = Path(os.environ[NOTES]) / str(pid)
        _notes = (pid, os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT))
    return _notes[1]
