"""The schedule: what is due when."""

from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.beat import ScheduleEntry


@pytest.fixture
def app(settings: Any, tmp_path: Path) -> Celery:
    """The project's Celery application. Importing it makes the broker's folders, so they must be this test's own."""
    settings.CELERY_FOLDER = tmp_path / "celery"
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"data_folder_in": str(tmp_path / "celery" / "queue")}
    return import_module("project_settings.celery").app


@pytest.fixture
def due_after(app: Celery, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, datetime], datetime]:
    """When, in UTC, beat sends an entry of the schedule next, if it was last sent at the given time."""

    def due(name: str, last_sent: datetime) -> datetime:
        entry = ScheduleEntry(name, app=app, last_run_at=last_sent, **app.conf.beat_schedule[name])
        monkeypatch.setattr(entry.schedule, "nowfun", lambda: last_sent)
        moment: datetime = last_sent + entry.schedule.remaining_estimate(last_sent)
        return moment.astimezone(UTC)

    return due


def utc(day: int, hour: int, minute: int = 0, *, month: int) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def test_the_archive_runs_at_five_in_chicago(app: Celery) -> None:
    entry = app.conf.beat_schedule["archive-training-data"]

    assert str(app.timezone) == "America/Chicago"
    assert entry["task"] == "training_archive.archive_training_data"
    assert (entry["schedule"].hour, entry["schedule"].minute) == ({5}, {0})


@pytest.mark.parametrize(
    ("last_sent", "due"),
    [
        (utc(6, 11, month=3), utc(7, 11, month=3)),
        (utc(7, 11, month=3), utc(8, 10, month=3)),  # the clocks go forward in this night
        (utc(8, 10, month=3), utc(9, 10, month=3)),
        (utc(30, 10, month=10), utc(31, 10, month=10)),
        (utc(31, 10, month=10), utc(1, 11, month=11)),  # and back in this one
        (utc(1, 11, month=11), utc(2, 11, month=11)),
    ],
)
def test_five_in_chicago_stays_five_when_the_clocks_change(
    due_after: Callable[[str, datetime], datetime], last_sent: datetime, due: datetime
) -> None:
    assert due_after("archive-training-data", last_sent) == due


@pytest.mark.parametrize(
    ("last_sent", "due"),
    [
        (utc(1, 12, 30, month=6), utc(1, 12, 31, month=6)),
        (utc(8, 7, 59, month=3), utc(8, 8, 0, month=3)),  # the missing hour begins
        (utc(1, 6, 59, month=11), utc(1, 7, 0, month=11)),  # the repeated one begins
    ],
)
def test_the_inbox_is_drained_each_minute(
    due_after: Callable[[str, datetime], datetime], last_sent: datetime, due: datetime
) -> None:
    assert due_after("drain-captures", last_sent) == due


def test_a_drain_that_waited_a_minute_is_left_to_the_next_one(app: Celery) -> None:
    entry = app.conf.beat_schedule["drain-captures"]

    assert (entry["task"], entry["options"]) == ("capture_app.drain_captures", {"expires": 60})


def test_every_scheduled_task_exists(app: Celery) -> None:
    app.loader.import_default_modules()

    assert {entry["task"] for entry in app.conf.beat_schedule.values()} <= set(app.tasks)
