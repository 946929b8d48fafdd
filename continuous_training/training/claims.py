"""Who has a run: one worker at a time, by a mark of its own in the run's row.

Every change of a run is one conditional UPDATE that names this mark, so two workers never have one run: the second
finds nothing to take, and one that was given up for dead finds nothing to change.
"""

import os
import socket
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db.models import F, Q, QuerySet

from continuous_training.exceptions import NoSuchRun, RunTaken
from continuous_training.models import TrainingRun
from continuous_training.training.devices import ACTIVE

SILENT_AFTER: Final = timedelta(minutes=2)  # a worker of which nothing was heard for so long is given up for dead
PROBLEM_CHARACTERS: Final = 2_000

State = TrainingRun.State


def get_run(run_id: str) -> TrainingRun:
    """Raises NoSuchRun."""
    run = TrainingRun.objects.filter(pk=run_id).first()
    if run is None:
        raise NoSuchRun(f"There is no training run {run_id!r}. `manage.py training_runs` lists them.")
    return run


def is_silent() -> Q:
    """Of runs that a worker has: nothing was heard of it."""
    return ~Q(worker="") & Q(heartbeat_at__lt=datetime.now(UTC) - SILENT_AFTER)


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that is this worker's, until it is let go, or until it is given up for dead."""

    run_id: str
    mark: str

    def run(self) -> TrainingRun:
        """As it stands. Raises RunTaken, as all do that find it somebody else's."""
        run = self._mine().first()
        if run is None:
            raise self._taken()
        return run

    def set(self, **values: Any) -> None:
        """Write these, as a sign of life besides."""
        if not self._mine().update(heartbeat_at=datetime.now(UTC), **values):
            raise self._taken()

    def move(self, old: TrainingRun.State, new: TrainingRun.State, **values: Any) -> None:
        if not self._mine().filter(state=old).update(state=new, heartbeat_at=datetime.now(UTC), problem="", **values):
            raise self._taken()

    def end(self, state: TrainingRun.State, *, problem: str = "", **values: Any) -> None:
        """The run is over."""
        over = {"state": state, "finished_at": datetime.now(UTC), "worker": "", "next_at": None}
        if not self._mine().update(**over, problem=problem[:PROBLEM_CHARACTERS], **values):
            raise self._taken()

    def wait(self, seconds: float, *, problem: str = "", failures: int = 0) -> None:
        """Nobody has the run, and there is nothing to do for so long."""
        next_at = datetime.now(UTC) + timedelta(seconds=seconds)
        said = {"problem": problem[:PROBLEM_CHARACTERS], "failures": failures}
        if not self._mine().update(worker="", next_at=next_at, **said):
            raise self._taken()

    def let_go(self) -> None:
        """Nobody has the run, which can go on at once."""
        self._mine().update(worker="")

    def _mine(self) -> QuerySet[TrainingRun]:
        return TrainingRun.objects.filter(pk=self.run_id, worker=self.mark, state__in=ACTIVE)

    def _taken(self) -> RunTaken:
        return RunTaken(f"The training run {self.run_id} is another worker's by now, or over. This one left it alone.")


def take(run_id: str) -> Claim | None:
    """The run, when it has something to do and nobody has it, or somebody who is silent; that counts as a failure."""
    claim = Claim(run_id, f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex}")
    now = datetime.now(UTC)
    mine: dict[str, Any] = {"worker": claim.mark, "heartbeat_at": now, "next_at": None}
    is_due = Q(next_at=None) | Q(next_at__lte=now) | Q(cancel_requested_at__isnull=False)
    active = TrainingRun.objects.filter(pk=run_id, state__in=ACTIVE)
    if active.filter(is_due, worker="").update(**mine):
        return claim
    return claim if active.filter(is_silent()).update(**mine, failures=F("failures") + 1) else None
