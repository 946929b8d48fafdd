"""Conversations are given to a worker to be enriched."""

import logging
from collections.abc import Sequence
from typing import Final

from celery import current_app
from kombu.exceptions import OperationalError

from capture_app.jobs import describe
from training_files.exceptions import TrainingFilesError

TASK: Final = "training_files.enrich_conversations"

logger = logging.getLogger("training_files")


def send(conversation_ids: Sequence[str]) -> None:
    """Those that are completed are left as they are. Raises TrainingFilesError when the queue cannot be reached."""
    try:
        current_app.send_task(TASK, args=[list(conversation_ids)], retry=False)
    except (OperationalError, OSError) as error:
        logger.warning("Conversations could not be sent to a worker (%s).", describe(error))
        raise TrainingFilesError(
            "Celery's broker could not be reached, so no worker was asked. Nothing was changed; start the broker, or "
            "run “manage.py enrich_conversations”, which needs none."
        ) from error
