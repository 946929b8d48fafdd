"""One run at a time on each device, in the order in which they were requested.

The lock is the kernel's: it ends with the process that holds it, however that dies. So a run whose worker was killed
finds its device free, and one whose worker merely stands still does not get a second one beside it.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from django.db.models import Q, QuerySet
from filelock import FileLock, Timeout

from continuous_training.conf import loop_settings
from continuous_training.models import TrainingRun

State = TrainingRun.State

ACTIVE: Final = (State.QUEUED, State.PREPARING, State.TRAINING, State.FINISHING)


@contextmanager
def device_lock(device: str) -> Iterator[bool]:
    """Whether the device is this process's for the block; "" always is."""
    if not device:
        yield True
        return
    path = loop_settings().runs_folder / f".device-{hashlib.sha256(device.encode()).hexdigest()[:16]}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=0)  # made at use: one from before a fork raises in the child
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def first_in_line(run: TrainingRun) -> TrainingRun:
    """Whose turn it is on the run's device: of those with something to do, the one that was requested first."""
    if not run.device:
        return run
    return line(run.device).first() or run


def line(device: str) -> QuerySet[TrainingRun]:
    """The runs on that device that have something to do now, in their order."""
    now = datetime.now(UTC)
    ready = TrainingRun.objects.filter(Q(next_at=None) | Q(next_at__lte=now), state__in=ACTIVE, device=device)
    return ready.order_by("requested_at", "pk")
