"""When the archive runs next, by what django-celery-beat has in its tables. Needs django-celery-beat."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from django_celery_beat.models import PeriodicTask

TASK: Final = "training_archive.archive_training_data"


def next_run(now: datetime) -> datetime | None:
    """In the zone of its schedule; in the past when it is overdue. None: no entry of the schedule is enabled."""
    tasks = PeriodicTask.objects.filter(task=TASK, enabled=True)
    related = tasks.select_related("crontab", "interval", "solar", "clocked")
    return min((_next(task, now) for task in related), default=None)


def _next(task: PeriodicTask, now: datetime) -> datetime:
    # One that never ran is due for the first time after it was put there or changed.
    last_run_at = (task.last_run_at or task.date_changed).astimezone(UTC)
    zone: tzinfo = task.crontab.timezone if task.crontab else UTC
    due: datetime = now + task.schedule.remaining_estimate(last_run_at)  # which is measured a moment after `now`
    return (due + timedelta(seconds=1)).replace(microsecond=0).astimezone(zone)
