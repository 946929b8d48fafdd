"""python -m continuous_training.training.trainers.local_lora_process JOB.json

It tells in JSON lines what it does: {"event": "progress", "step", "steps", "loss"}, and at the end one of
{"event": "done", "metrics"}, {"event": "stopped"}, {"event": "hopeless", "problem"} and {"event": "failed", "problem"}.
"""

import fcntl
import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from continuous_training.training.trainers.local_lora_process.job import Job
from continuous_training.training.trainers.local_lora_process.problems import hopeless
from continuous_training.training.trainers.local_lora_process.stopping import Stop, Stopped

_LOCK: Final = ".lock"
_POLL: Final = 0.2  # seconds, for the lock of a process that is still saving its checkpoint


def main(path: str) -> None:
    events = os.dup(1)
    os.dup2(2, 1)  # libraries print what they like

    def tell(event: dict[str, Any]) -> None:
        with suppress(BrokenPipeError):  # the worker hears no more; whether to stop, the end of the input tells
            os.write(events, json.dumps(event).encode() + b"\n")

    stop = Stop()
    stop.watch()
    tell(_outcome(Job.read(Path(path)), stop, tell))


def _outcome(job: Job, stop: Stop, tell: Any) -> dict[str, Any]:
    try:
        with _alone(job, stop):
            return {"event": "done", "metrics": _train(job, stop, tell)}
    except Stopped:
        return {"event": "stopped"}
    except Exception as error:  # the worker decides what to do about it; the traceback is in the log
        traceback.print_exc()
        if (verdict := hopeless(error)) is not None:
            return {"event": "hopeless", "problem": str(verdict)}
        return {"event": "failed", "problem": type(error).__name__}


@contextmanager
def _alone(job: Job, stop: Stop) -> Iterator[None]:
    """While no other process works on the run: one whose worker was killed may be saving its last checkpoint."""
    with (job.folder / _LOCK).open("wb") as lock:
        while not _locked(lock):
            stop.raise_if_asked()
            time.sleep(_POLL)
        shutil.rmtree(job.scratch, ignore_errors=True)
        try:
            yield
        finally:
            shutil.rmtree(job.scratch, ignore_errors=True)


def _locked(lock: Any) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _train(job: Job, stop: Stop, tell: Any) -> dict[str, Any]:
    from continuous_training.training.trainers.local_lora_process.run import train  # heavy: not before the lock

    return train(job, stop, tell)


if __name__ == "__main__":
    main(sys.argv[1])
