"""What a trainer tells while it works, and the signs of life beside it."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import orjson
from django.db import DatabaseError, connections, router

from capture_app.example import storable
from capture_app.jobs import describe
from capture_app.progress import Progress
from continuous_training.exceptions import RunTaken
from continuous_training.models import TrainingRun
from continuous_training.training.claims import Claim

BEAT: Final = 15.0  # seconds between signs of life; far less than claims.SILENT_AFTER
_WRITTEN_EVERY: Final = 1.0  # seconds, for progress
_ASKED_EVERY: Final = 2.0  # seconds, whether somebody asked to stop

logger = logging.getLogger("continuous_training")


class RunReporter:
    """The Reporter of a run that this worker has. Each method raises RunTaken when it has it no more."""

    def __init__(self, claim: Claim, told: Progress) -> None:
        self._claim = claim
        self._told = told
        self._next_write = 0.0
        self._next_question = 0.0
        self._is_cancelled = False

    def save(self, saved: Mapping[str, Any]) -> None:
        self._claim.set(job=plain(saved))

    def progress(self, *, step: int, steps: int, loss: float | None = None) -> None:
        self._told("training", step, steps)
        if time.monotonic() < self._next_write and step != steps:
            return
        _unhindered(lambda: self._claim.set(progress=plain({"step": step, "steps": steps, "loss": loss})))
        self._next_write = time.monotonic() + _WRITTEN_EVERY

    def is_cancelled(self) -> bool:
        if not self._is_cancelled and time.monotonic() >= self._next_question:
            _unhindered(self._ask)
            self._next_question = time.monotonic() + _ASKED_EVERY
        return self._is_cancelled

    def _ask(self) -> None:
        self._is_cancelled = self._claim.run().cancel_requested_at is not None


def plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON has it: what is no number becomes null, and what it does not know, its text."""
    found: dict[str, Any] = orjson.loads(orjson.dumps(storable(dict(value))))
    return found


@contextmanager
def signs_of_life(claim: Claim) -> Iterator[None]:
    """A heartbeat during the block, however long the trainer is silent."""
    is_over = threading.Event()
    thread = threading.Thread(target=_beat, args=(claim, is_over), daemon=True, name=f"heartbeat of {claim.run_id}")
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _beat(claim: Claim, is_over: threading.Event) -> None:
    try:
        while not is_over.wait(BEAT):
            _unhindered(claim.set)
    except RunTaken:  # the trainer hears of it when it tells something
        return
    finally:
        connections.close_all()  # this thread's own


def _unhindered(write: Callable[[], None]) -> None:
    """A database that is away for a while does not stop hours of training."""
    try:
        write()
    except DatabaseError as error:
        logger.warning("How far a training run is could not be written down (%s). It goes on.", describe(error))
        connections[router.db_for_write(TrainingRun)].close_if_unusable_or_obsolete()
