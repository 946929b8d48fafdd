"""Celery's view of the services. A run that another one refuses is left to that one."""

import logging

from celery import shared_task

from capture_app import budgets, services
from capture_app.exceptions import JobBusy
from capture_app.routing.minutes import note_outcomes
from capture_app.routing.service import publish_routes

logger = logging.getLogger("capture_app")


@shared_task(name="capture_app.drain_captures")
def drain_captures() -> None:
    try:
        services.drain_captures_alone()
    except JobBusy as busy:
        logger.info("%s", busy)


@shared_task(name="capture_app.check_budgets")
def check_budgets() -> None:
    """For beat: what the application's own calls use up, nobody asks for."""
    budgets.check_budgets()


@shared_task(name="capture_app.mind_routes")
def mind_routes() -> None:
    """Each minute: what a process or a full disk kept from being published is, and outcomes are noted."""
    publish_routes()
    note_outcomes()
