"""The schedule in django-celery-beat's tables. Needs django-celery-beat; nothing else of Gleaner does.

Set `CELERY_BEAT_SCHEDULER = "training_archive.beat:CatchUpScheduler"`.
"""

import logging
from collections.abc import Mapping
from typing import Any

from django.db import DEFAULT_DB_ALIAS, DatabaseError, router, transaction
from django.db.models import QuerySet
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from training_archive.schedule import BEAT_SCHEDULE

logger = logging.getLogger("training_archive")


class CatchUpScheduler(DatabaseScheduler):  # type: ignore[misc]  # django-celery-beat has no types
    """Runs at start what became due while no beat ran.

    Its parent does not look at crontabs whose hour is more than two hours away. A 05:00 run that was missed would
    therefore not be noticed at 09:00, nor would any start between 07:00 and 03:00 make up for it.
    """

    def enabled_models_qs(self) -> QuerySet[Any]:
        models: QuerySet[Any] = self.Model.objects.enabled()
        return models


def install_schedule(*, using: str = DEFAULT_DB_ALIAS, **kwargs: Any) -> None:
    """Install the entries of BEAT_SCHEDULE, after every `migrate`."""
    install_entries(BEAT_SCHEDULE, using=using)


def install_entries(entries: Mapping[str, Mapping[str, Any]], *, using: str = DEFAULT_DB_ALIAS) -> None:
    """Add the entries that the tables lack. What an administrator changed or disabled stays so.

    An entry that was deleted comes back, so disable it instead.
    """
    if using != router.db_for_write(PeriodicTask):
        return
    try:
        with transaction.atomic(using=using):
            for name, entry in entries.items():
                _install(name, **entry)
    except DatabaseError as error:  # only some apps were migrated
        logger.warning("The schedule is not in the database yet (%s). `manage.py migrate` puts it there.", error)


def _install(name: str, *, task: str, schedule: Any, options: dict[str, Any] | None = None) -> None:
    if PeriodicTask.objects.filter(name=name).exists():
        return
    timing, kind = ModelEntry.to_model_schedule(schedule)
    PeriodicTask.objects.create(name=name, task=task, expire_seconds=(options or {}).get("expires"), **{kind: timing})
