"""The console's schedule in django-celery-beat's tables. Needs django-celery-beat."""

from typing import Any

from django.db import DEFAULT_DB_ALIAS

from console.examples.schedule import SEARCH_SCHEDULE
from console.figures.schedule import FIGURES_SCHEDULE
from training_archive.beat import install_entries


def install_schedule(*, using: str = DEFAULT_DB_ALIAS, **kwargs: Any) -> None:
    """Install the entries of the console's jobs, after every `migrate`."""
    install_entries({**FIGURES_SCHEDULE, **SEARCH_SCHEDULE}, using=using)
