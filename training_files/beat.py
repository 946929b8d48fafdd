"""The training files' schedule in django-celery-beat's tables. Needs django-celery-beat."""

from typing import Any

from django.db import DEFAULT_DB_ALIAS

from training_archive.beat import install_entries
from training_files.schedule import TRAINING_FILES_SCHEDULE


def install_schedule(*, using: str = DEFAULT_DB_ALIAS, **kwargs: Any) -> None:
    """Install the entries of TRAINING_FILES_SCHEDULE, after every `migrate`."""
    install_entries(TRAINING_FILES_SCHEDULE, using=using)
