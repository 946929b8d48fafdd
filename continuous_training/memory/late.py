"""Examples that repeat what was forgotten, and were made or read too late for that request to find them."""

import logging

from django.db.models import Exists, OuterRef

from capture_app.exceptions import CaptureError
from capture_app.models import ForgottenExample
from continuous_training.models import Repetition
from training_archive.exceptions import ArchiveError
from training_archive.services.forgetting import forget

logger = logging.getLogger("continuous_training")


def forget_late_repetitions() -> int:
    """Have them forgotten; how many. What cannot be erased now is left to the next run."""
    is_forgotten = ForgottenExample.objects.all()
    late = Repetition.objects.filter(
        Exists(is_forgotten.filter(pk=OuterRef("of_example_id"))),
        ~Exists(is_forgotten.filter(pk=OuterRef("example_id"))),
    )
    ids = sorted(set(late.values_list("example_id", flat=True)))
    if not ids:
        return 0
    try:
        forget(by="continuous_training", ids=ids)
    except (ArchiveError, CaptureError):
        logger.warning(
            "%d examples repeat what was forgotten, and could not be erased now. The next run tries again.",
            len(ids),
            exc_info=True,
        )
        return 0
    return len(ids)
