"""Once a week: a run for each of the tasks that are to be kept trained, when there is something new to learn."""

import logging

from capture_app.exceptions import BudgetSpent
from capture_app.jobs import describe
from continuous_training.conf import loop_settings
from continuous_training.exceptions import LoopError, NothingNew
from continuous_training.models import TrainingRun
from continuous_training.training.requesting import request_run

SCHEDULE = "schedule"  # who asked for these runs

logger = logging.getLogger("continuous_training")


def request_due_runs() -> list[TrainingRun]:
    """Request a run for each of TRAIN_TASKS that has new pairs. What refuses one does not stop the others."""
    found = [_requested(task) for task in loop_settings().train_tasks]
    return [run for run in found if run is not None]


def _requested(task: str) -> TrainingRun | None:
    try:
        run = request_run(task, by=SCHEDULE, only_new=True)
    except NothingNew as nothing:
        logger.info("%s", nothing)
    except (LoopError, BudgetSpent) as refused:
        logger.warning("No training run this week for the task %r. %s", task, refused)
    except OSError as error:
        logger.error("No training run this week for the task %r: %s.", task, describe(error))
    else:
        return run
    return None
