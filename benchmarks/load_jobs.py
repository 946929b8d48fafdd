"""python -m benchmarks.load_jobs drain|archive EVERY: run the project's task every so many seconds, until SIGTERM.

As in a Celery child: one process that lives on, and the body of the project's own task. Each run is printed when it is
over, as one line of its start and its end (seconds since the epoch).
"""

import signal
import sys
import time
from types import FrameType

import django

django.setup()

from capture_app.tasks import drain_captures  # noqa: E402  (the settings come first)
from training_archive.tasks import archive_training_data  # noqa: E402  (likewise)

_TASKS = {"drain": drain_captures, "archive": archive_training_data}
_over = False


def _end(number: int, frame: FrameType | None) -> None:
    global _over
    _over = True


def main(name: str, every: float) -> None:
    signal.signal(signal.SIGTERM, _end)  # a run that is under way is finished
    due = time.time() + every
    while not _over:
        time.sleep(0.1)
        if time.time() >= due:
            started = time.time()
            _TASKS[name]()
            print(f"{started:.4f} {time.time():.4f}", flush=True)
            due = max(due + every, time.time())


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
