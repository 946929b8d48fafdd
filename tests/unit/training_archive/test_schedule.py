"""The schedule: what is due when, in whichever time zone a Celery app lives."""

import pickle
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from celery import Celery
from celery.beat import ScheduleEntry

from training_archive.schedule import BEAT_SCHEDULE


@pytest.fixture(params=["UTC", "America/Chicago", "Asia/Tokyo"])
def app(request: pytest.FixtureRequest) -> Celery:
    """A Celery app of a project in that time zone."""
    return Celery("shop", timezone=request.param, set_as_current=False)


@pytest.fixture
def due_after(app: Celery, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, datetime], datetime]:
    """When, in UTC, beat sends an entry of the schedule next, if it was last sent at the given time."""

    def due(name: str, last_sent: datetime) -> datetime:
        entry = ScheduleEntry(name, app=app, last_run_at=last_sent, **BEAT_SCHEDULE[name])
        monkeypatch.setattr(entry.schedule, "nowfun", lambda: last_sent)
        moment: datetime = last_sent + entry.schedule.remaining_estimate(last_sent)
        return moment.astimezone(UTC)

    return due


def utc(day: int, hour: int, minute: int = 0, *, month: int) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


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
def test_the_archive_runs_at_five_in_chicago_also_when_the_clocks_change(
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


@pytest.mark.parametrize("name", ["drain-captures", "check-budgets", "check-freshness"])
def test_a_run_that_waited_its_whole_period_is_left_to_the_next_one(name: str) -> None:
    entry = BEAT_SCHEDULE[name]

    assert entry["options"] == {"expires": entry["schedule"]}


def test_a_missed_archive_run_never_expires() -> None:
    assert "options" not in BEAT_SCHEDULE["archive-training-data"]


def test_beat_can_keep_the_schedule_in_its_file() -> None:
    kept = pickle.loads(pickle.dumps(BEAT_SCHEDULE["archive-training-data"]["schedule"]))

    assert (kept.hour, kept.minute, str(kept.tz)) == ({5}, {0}, "America/Chicago")
