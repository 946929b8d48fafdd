"""The loop's schedule in django-celery-beat's tables. Needs django-celery-beat."""

from typing import Any

from django.db import DEFAULT_DB_ALIAS

from continuous_training.schedule import CONTINUOUS_TRAINING_SCHEDULE
from training_archive.beat import install_entries


def install_schedule(*, using: str = DEFAULT_DB_ALIAS, **kwargs: Any) -> None:
    """Install the entries of CONTINUOUS_TRAINING_SCHEDULE, after every `migrate`."""
    install_entries(CONTINUOUS_TRAINING_SCHEDULE, using=using)
