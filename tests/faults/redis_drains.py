"""`python -m tests.faults.redis_drains ACKNOWLEDGED` does what each line on its standard input says, in a child.

`archive` is a whole archive run. Anything else is a point of POINTS: the child captures some calls, adds their ids to
the file ACKNOWLEDGED, drains, and kills itself with SIGKILL when the drain gets there. How the child ended is printed.

A fork costs milliseconds where a new process would cost a second: so many can be killed.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import django

CALLS = 7

# Name -> what is not reached any more, in the order in which a drain gets there.
POINTS = {
    "before the records are on the disk": "capture_app.inbox.batch_files.BatchFiles.write",
    "before the transaction": "capture_app.drain.ingest",
    "before the index rows": "capture_app.drain.index_examples",
    "before the acknowledgement": "capture_app.inbox.redis_stream.RedisStreamInbox.acknowledge",
    "before the batch is forgotten": "pathlib.Path.rename",
    "before Redis is told": "capture_app.inbox.redis_client.CaptureStream.forget",
}


def die(*arguments: Any, **options: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def drain_until(point: str, acknowledged: Path) -> None:
    from capture_app import call_llm
    from capture_app.services import drain_captures

    ids = [call_llm(f"Question {number}", training_metadata={}).example_id for number in range(CALLS)]
    assert all(ids)
    with acknowledged.open("a") as file:
        file.writelines(f"{example_id}\n" for example_id in ids)
    with patch(POINTS[point], die):
        drain_captures()


def archive() -> None:
    from training_archive.services import archive_training_data

    archive_training_data(compresslevel=1)


def in_child(work: Callable[..., None], *arguments: Any) -> int:
    """How it ended: 0, or the number of the signal that killed it as a negative number."""
    pid = os.fork()
    if pid == 0:
        work(*arguments)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main(acknowledged: str) -> None:
    import training_archive.services  # noqa: F401  (loaded once for all children)

    for line in sys.stdin:
        command = line.strip()
        work = (archive,) if command == "archive" else (drain_until, command, Path(acknowledged))
        print(in_child(*work), flush=True)


if __name__ == "__main__":
    django.setup()
    main(*sys.argv[1:])
