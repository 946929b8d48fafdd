"""Each minute: runs that wait for a worker are sent to one, those among them whose worker died."""

from datetime import UTC, datetime
from typing import Final

from django.db.models import Q

from continuous_training.models import TrainingRun
from continuous_training.training.claims import is_silent
from continuous_training.training.devices import ACTIVE, first_in_line
from continuous_training.training.folders import sweep
from continuous_training.training.sending import send

EVERY: Final = 60.0  # seconds; a message that nobody took until then is not taken any more: the next one says the same


def resume_runs() -> list[str]:
    """Send those that nobody is at work on and that have something to do; their ids. Of a device, only the first.

    What runs that are over, and requests that were killed, left on the disk is removed besides.
    """
    found = [run.pk for run in _unattended() if not run.device or first_in_line(run).pk == run.pk]
    for run_id in found:
        send(run_id, expires=EVERY)
    sweep()
    return found


def _unattended() -> list[TrainingRun]:
    is_due = Q(next_at=None) | Q(next_at__lte=datetime.now(UTC)) | Q(cancel_requested_at__isnull=False)
    is_free = is_due & Q(worker="")
    return list(TrainingRun.objects.filter(is_free | is_silent(), state__in=ACTIVE).order_by("requested_at", "pk"))
