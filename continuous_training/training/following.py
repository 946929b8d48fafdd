"""A run done in this process, as `finetune --wait` does, or watched while a worker does it."""

import time
from typing import Final

from capture_app.progress import Progress, silent
from continuous_training.models import TrainingRun
from continuous_training.training.advancing import advance_run
from continuous_training.training.claims import get_run
from continuous_training.training.devices import ACTIVE, first_in_line
from continuous_training.training.requesting import cancel_run

PAUSE: Final = 1.0  # seconds between looks


def follow_run(run_id: str, *, progress: Progress = silent, pause: float = PAUSE) -> TrainingRun:
    """Have the run, and before it those that are ahead on its device, done here unless a worker does it; the run then.

    Raises NoSuchRun.
    """
    run = get_run(run_id)
    while run.state in ACTIVE:
        turn = first_in_line(run).pk
        advance_run(turn, progress=progress if turn == run_id else silent)
        run = get_run(run_id)
        _tell(run, turn, progress)
        if run.state in ACTIVE:
            time.sleep(pause)
    return run


def _tell(run: TrainingRun, turn: str, progress: Progress) -> None:
    if turn != run.pk:
        progress(f"waiting for {turn}", 0, 0)
    elif run.problem:
        progress(run.problem, 0, 0)
    elif run.state in ACTIVE:
        progress(run.state, run.progress.get("step") or 0, run.progress.get("steps") or 0)


def cancel_here(run_id: str, *, by: str) -> TrainingRun:
    """Cancel the run, and, unless a worker has it, stop in this process what runs elsewhere."""
    cancel_run(run_id, by=by)
    return advance_run(run_id)
