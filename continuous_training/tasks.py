"""Celery's view of the services. A run that another one refuses is left to that one."""

import logging

from celery import shared_task

from capture_app.conf import capture_settings
from capture_app.exceptions import JobBusy
from continuous_training.exporting.service import export_finetune
from continuous_training.housekeeping.report.service import monthly_report
from continuous_training.memory import updating
from continuous_training.promotion.watch import watch_promotions
from continuous_training.training import runs, sending
from continuous_training.training.weekly import request_due_runs

logger = logging.getLogger("continuous_training")


@shared_task(name="continuous_training.export_finetune")
def export_pairs() -> None:
    """For beat, each night."""
    try:
        export_finetune()
    except JobBusy as busy:
        logger.info("%s", busy)


@shared_task(name="continuous_training.update_memories")
def update_memories() -> None:
    """For beat. Nobody pays for memories that no call can ask for."""
    if not capture_settings().memory:
        return
    try:
        report = updating.update_memories()
    except JobBusy as busy:
        logger.info("%s", busy)
    else:
        if report.stopped:
            logger.warning("Memories: %s", report.stopped)


@shared_task(name=sending.TASK)
def advance_run(run_id: str) -> None:
    """In the queue `training`, for it may take hours. What comes of it is seen at the run."""
    runs.advance_run(run_id)


@shared_task(name="continuous_training.resume_runs")
def resume_runs() -> None:
    """For beat: runs that wait for their next look, or whose worker died."""
    runs.resume_runs()


@shared_task(name="continuous_training.request_weekly_runs")
def request_weekly_runs() -> None:
    request_due_runs()


@shared_task(name="continuous_training.watch_promotions")
def watch_promoted() -> None:
    """For beat, each minute: a promoted model that fails, or pleases less than the incumbent, is rolled back."""
    watch_promotions()


@shared_task(name="continuous_training.monthly_report")
def write_monthly_report() -> None:
    """For beat: of the month that is just over."""
    monthly_report()
