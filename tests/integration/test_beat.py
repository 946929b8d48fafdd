"""A real worker with a beat, on the schedule in the database."""

from collections.abc import Callable
from pathlib import Path

from tests.integration.conftest import Project
from tests.integration.servers import wait_until
from training_archive.reader import iter_examples

# The hour is on the other side of the clock, where the scheduler of django-celery-beat does not look.
MISSED = """
import django
django.setup()
from datetime import UTC, datetime, timedelta
from django_celery_beat.models import CrontabSchedule, PeriodicTask
now = datetime.now(UTC)
crontab = CrontabSchedule.objects.create(minute="0", hour=str((now.hour + 12) % 24), timezone="UTC")
PeriodicTask.objects.filter(name="archive-training-data").update(crontab=crontab, last_run_at=now - timedelta(days=2))
"""


def test_a_missed_archive_run_is_caught_up_at_start(make_project: Callable[..., Project], tmp_path: Path) -> None:
    project, log = make_project(), tmp_path / "celery.log"
    ids = project.capture(2)
    missed = project.run("-c", MISSED)
    assert missed.returncode == 0, missed.stderr

    with project.running(log, "celery", "--app", "project_settings", "worker", "--beat"):
        wait_until(project.zip_path.exists, log)

    assert sorted(example["id"] for example in iter_examples()) == ids
