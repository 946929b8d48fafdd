"""Celery's view of the search: what the worker does for it. console.tasks imports it, where Celery looks."""

import logging

from celery import shared_task

from capture_app.exceptions import JobBusy
from console.examples.search.entries import enter_examples

logger = logging.getLogger("console")


@shared_task(name="console.enter_examples")
def enter_examples_for_search() -> None:
    try:
        enter_examples()
    except JobBusy as busy:
        logger.info("%s", busy)
