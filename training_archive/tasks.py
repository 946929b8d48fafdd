"""Celery's view of the services. A run that another one refuses is left to that one."""

import logging

from celery import shared_task

from capture_app.exceptions import JobBusy
from training_archive import freshness, services
from training_archive.cold import moving
from training_archive.conf import archive_settings
from training_archive.exceptions import ArchiveBusy
from training_archive.runs import SCHEDULE, RunNotWaiting
from training_archive.shipping import service as shipping

logger = logging.getLogger("training_archive")


@shared_task(name="training_archive.archive_training_data")
def archive_training_data(run_id: int | None = None) -> None:
    """`run_id`: of the ArchiveRun that somebody asked for; beat gives none."""
    try:
        services.archive_training_data(requested_by=SCHEDULE, run_id=run_id)
    except (ArchiveBusy, RunNotWaiting) as refusal:
        logger.info("%s", refusal)


@shared_task(name="training_archive.verify_archive")
def verify_archive(run_id: int | None = None) -> None:
    """As `archive_training_data`."""
    try:
        services.verify_archive(requested_by=SCHEDULE, run_id=run_id)
    except RunNotWaiting as refusal:
        logger.info("%s", refusal)


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


@shared_task(name="training_archive.move_to_cold_storage")
def move_to_cold_storage() -> None:
    """For beat. Without COLD_STORAGE everything stays."""
    conf = archive_settings()
    if not conf.cold_storage:
        return
    try:
        moving.move_to_cold_storage(older_than=conf.cold_after)
    except (ArchiveBusy, JobBusy) as busy:
        logger.info("%s", busy)
