"""The schedule in django-celery-beat's tables. Needs django-celery-beat."""

import logging
from typing import Any

from django.db import DEFAULT_DB_ALIAS, DatabaseError, router, transaction
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import ModelEntry

from console.examples.schedule import SEARCH_SCHEDULE
from console.figures.schedule import FIGURES_SCHEDULE

logger = logging.getLogger("console")


def install_schedule(*, using: str = DEFAULT_DB_ALIAS, **kwargs: Any) -> None:
    """Add the entries that the tables lack, after `migrate`. What an administrator changed or disabled stays so."""
    if using != router.db_for_write(PeriodicTask):
        return
    try:
        with transaction.atomic(using=using):
            for name, entry in {**FIGURES_SCHEDULE, **SEARCH_SCHEDULE}.items():
                _install(name, **entry)
    except DatabaseError as error:  # only some apps were migrated
        logger.warning("The schedule is not in the database yet (%s). `manage.py migrate` puts it there.", error)


def _install(name: str, *, task: str, schedule: Any, options: dict[str, Any]) -> None:
    if PeriodicTask.objects.filter(name=name).exists():
        return
    timing, kind = ModelEntry.to_model_schedule(schedule)
    PeriodicTask.objects.create(name=name, task=task, expire_seconds=options["expires"], **{kind: timing})
