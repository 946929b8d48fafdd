"""Celery's view of the console's services. A run that another one refuses is left to that one."""

import logging

from celery import shared_task

from capture_app.exceptions import JobBusy
from console.actions import tasks as actions  # noqa: F401  (Celery looks for tasks here only)
from console.examples import tasks as examples  # noqa: F401  (as above)
from console.figures.refresh import refresh_figures as refresh

logger = logging.getLogger("console")


@shared_task(name="console.refresh_figures")
def refresh_figures() -> None:
    try:
        refresh()
    except JobBusy as busy:
        logger.info("%s", busy)
