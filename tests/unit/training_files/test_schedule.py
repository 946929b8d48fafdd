"""What beat runs for the training files."""

import pytest
from django_celery_beat.models import PeriodicTask

from training_files import tasks
from training_files.schedule import TRAINING_FILES_SCHEDULE

pytestmark = pytest.mark.django_db


def test_migrate_puts_the_schedule_into_the_database() -> None:
    found = dict(PeriodicTask.objects.filter(name__in=TRAINING_FILES_SCHEDULE).values_list("name", "task"))

    assert found == {
        "resume-training-file-builds": tasks.resume_builds.name,
        "sweep-training-files": tasks.sweep.name,
    }
