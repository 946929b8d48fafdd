"""The refresh in django-celery-beat's tables."""

import pytest
from django.core.management import call_command
from django_celery_beat.models import PeriodicTask

from console import tasks
from console.figures.beat import install_schedule
from console.figures.schedule import FIGURES_SCHEDULE

pytestmark = pytest.mark.django_db

NAME = "refresh-figures"


def test_migrate_puts_the_refresh_into_the_database() -> None:
    entry = PeriodicTask.objects.get(name=NAME)

    assert (entry.task, entry.expire_seconds) == (tasks.refresh_figures.name, 300)
    assert str(entry.interval) == "every 300 seconds"


def test_what_an_administrator_changed_survives_migrate() -> None:
    PeriodicTask.objects.filter(name=NAME).update(enabled=False)

    call_command("migrate", verbosity=0)

    assert PeriodicTask.objects.get(name=NAME).enabled is False


def test_an_entry_that_was_deleted_comes_back() -> None:
    PeriodicTask.objects.filter(name=NAME).delete()

    install_schedule()

    assert PeriodicTask.objects.filter(name=NAME).count() == len(FIGURES_SCHEDULE) == 1
