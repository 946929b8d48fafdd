"""Runs go to a worker by Celery's task. Beat's task sends them: whoever asks for a run needs no way to the broker."""

import logging
from typing import Final

from celery import current_app
from kombu.exceptions import OperationalError

from capture_app.jobs import describe

TASK: Final = "continuous_training.advance_run"  # takes the run's id
QUEUE: Final = "training"  # by the project's CELERY_TASK_ROUTES: training shall not keep drains waiting

logger = logging.getLogger("continuous_training")


def send(run_id: str, *, expires: float) -> None:
    """Give the run to a worker that is free within `expires` seconds."""
    try:
        current_app.send_task(TASK, args=[run_id], retry=False, expires=expires)
    except (OperationalError, OSError) as error:
        logger.warning(
            "The training run %s could not be sent to a worker (%s). Nothing is lost: it is sent again in a minute.",
            run_id,
            describe(error),
        )
