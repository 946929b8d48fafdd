"""The schedule in django-celery-beat's tables."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from celery import Celery
from django.core.management import call_command
from django.db import DatabaseError
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler

from training_archive.beat import CatchUpScheduler, install_schedule
from training_archive.schedule import BEAT_SCHEDULE

pytestmark = pytest.mark.django_db


@pytest.fixture
def app() -> Celery:
    found = Celery("gleaner", set_as_current=False)
    found.conf.result_expires = None  # else beat adds an entry of its own that clears away results
    return found


def entry(name: str) -> PeriodicTask:
    return PeriodicTask.objects.get(name=name)


def due(scheduler: DatabaseScheduler) -> set[str]:
    return {name for name, each in scheduler.schedule.items() if each.is_due().is_due}


def test_migrate_puts_the_whole_schedule_into_the_database() -> None:
    assert {each.name: each.task for each in PeriodicTask.objects.filter(name__in=BEAT_SCHEDULE)} == {
        name: each["task"] for name, each in BEAT_SCHEDULE.items()
    }


def test_the_entries_say_what_the_schedule_says() -> None:
    archive, drain = entry("archive-training-data"), entry("drain-captures")

    assert str(archive.crontab) == "0 5 * * * (m/h/dM/MY/d) America/Chicago"
    assert (drain.interval.every, drain.interval.period, drain.expire_seconds) == (60, "seconds", 60)
    assert archive.expire_seconds is None


def test_what_an_administrator_changed_survives_migrate_and_a_start_of_beat(app: Celery) -> None:
    PeriodicTask.objects.filter(name="check-freshness").update(enabled=False)
    drain = entry("drain-captures")
    drain.interval = IntervalSchedule.objects.create(every=5, period="minutes")
    drain.save()

    call_command("migrate", verbosity=0)
    CatchUpScheduler(app=app)

    assert entry("check-freshness").enabled is False
    assert str(entry("drain-captures").interval) == "every 5 minutes"
    assert PeriodicTask.objects.filter(name__in=BEAT_SCHEDULE).count() == len(BEAT_SCHEDULE)


def test_an_entry_that_was_deleted_comes_back_with_the_next_migrate() -> None:
    entry("drain-captures").delete()

    call_command("migrate", verbosity=0)

    assert entry("drain-captures").task == "capture_app.drain_captures"


def test_without_the_tables_migrate_goes_on_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**kwargs: object) -> None:
        raise DatabaseError("no such table: django_celery_beat_periodictask")

    monkeypatch.setattr(PeriodicTask.objects, "filter", fail)

    with caplog.at_level(logging.WARNING, "training_archive"):
        install_schedule()

    assert "The schedule is not in the database yet (no such table" in caplog.text


def test_another_database_gets_no_schedule() -> None:
    PeriodicTask.objects.all().delete()

    install_schedule(using="replica")

    assert not PeriodicTask.objects.exists()


@pytest.mark.parametrize("hours_away", range(24))
def test_a_missed_run_is_due_at_start_whatever_the_hour(app: Celery, hours_away: int) -> None:
    now = datetime.now(UTC)
    hour = (now.hour + hours_away) % 24
    archive = entry("archive-training-data")
    archive.crontab = CrontabSchedule.objects.create(minute="0", hour=str(hour), timezone="UTC")
    archive.last_run_at = now - timedelta(days=2)
    archive.save()

    assert "archive-training-data" in due(CatchUpScheduler(app=app))


def test_after_the_first_migrate_the_archive_waits_for_its_hour(app: Celery) -> None:
    PeriodicTask.objects.all().delete()  # those of the tests' own migrate may be minutes old, and the drain due by now
    install_schedule()

    assert due(CatchUpScheduler(app=app)) == set()
