"""What nobody needs any more goes, once a day."""

import logging

from capture_app.exceptions import JobBusy
from capture_app.progress import Progress, silent
from training_archive.exceptions import ArchiveBusy
from training_archive.services.forgetting import forget
from training_files.idempotency import sweep_idempotency_keys
from training_files.lineage import answers_left
from training_files.storage import sweep_loose_files

logger = logging.getLogger("training_files")


def sweep(progress: Progress = silent) -> int:
    """Files in the storage that no row names, answers to requests that are not sent again, and what is left of
    conversations that are forgotten. How many files."""
    sweep_idempotency_keys()
    removed = sweep_loose_files(progress)
    _forget_questions(progress)
    return removed


def _forget_questions(progress: Progress) -> None:
    """Calls that repeat a conversation which was forgotten just then: who forgot it could not know of them yet."""
    left = answers_left()
    left.filter(example_id="").delete()  # never captured, so there is nothing to be found
    ids = list(left.values_list("example_id", flat=True))
    if not ids:
        return
    try:
        forget(by="training_files", ids=ids, progress=progress)
    except (ArchiveBusy, JobBusy) as busy:
        logger.warning("What a model was asked about forgotten conversations is left to the next sweep: %s", busy)
