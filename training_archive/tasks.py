"""Celery's view of the services. A run that another one refuses is left to that one."""

import logging

from celery import shared_task

from capture_app.exceptions import JobBusy
from training_archive import freshness, services
from training_archive.exceptions import ArchiveBusy
from training_archive.shipping import service as shipping

logger = logging.getLogger("training_archive")


@shared_task(name="training_archive.archive_training_data")
def archive_training_data() -> None:
    try:
        services.archive_training_data()
    except ArchiveBusy as busy:
        logger.info("%s", busy)


@shared_task(name="training_archive.check_freshness")
def check_freshness() -> None:
    try:
        freshness.check_freshness()
    except JobBusy as busy:
        logger.info("%s", busy)


@shared_task(name="training_archive.ship_archive")
def ship_archive() -> None:
    """For who ships oftener than the archive runs."""
    shipping.ship_after_run()
