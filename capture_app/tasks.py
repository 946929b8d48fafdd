"""Celery's view of the services. A run that another one refuses is left to that one."""

import logging

from celery import shared_task

from capture_app import services
from capture_app.exceptions import JobBusy

logger = logging.getLogger("capture_app")


@shared_task(name="capture_app.drain_captures")
def drain_captures() -> None:
    try:
        services.drain_captures_alone()
    except JobBusy as busy:
        logger.info("%s", busy)
