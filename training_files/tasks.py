"""Celery's view of the services."""

import logging
from collections.abc import Sequence

from celery import shared_task

from training_files import builds, sweeping
from training_files.actors import WORKER
from training_files.conversations.enrichment import sending
from training_files.conversations.enrichment.service import enrich_conversations, enrich_pending
from training_files.exceptions import BuildStopped, NotFound

logger = logging.getLogger("training_files")


@shared_task(name=builds.TASK)
def build(build_id: int) -> None:
    """What it does not finish is seen at the training file; a killed worker's build is sent again."""
    try:
        builds.run_build(build_id)
    except (BuildStopped, NotFound) as stopped:
        logger.info("%s", stopped)


@shared_task(name="training_files.resume_builds")
def resume_builds() -> None:
    """For beat: builds whose worker was killed, or which never reached one."""
    for silent in builds.silent_builds():
        builds.send(silent)


@shared_task(name="training_files.sweep_loose_files")
def sweep() -> None:
    """For beat, once a day."""
    sweeping.sweep()


@shared_task(name=sending.TASK)
def enrich(conversation_ids: Sequence[str] = ()) -> None:
    """These, or all that wait. What comes of it is seen at the conversations; the next one goes on where one died."""
    if conversation_ids:
        enrich_conversations(conversation_ids, by=WORKER.name)
    else:
        enrich_pending(by=WORKER.name)
