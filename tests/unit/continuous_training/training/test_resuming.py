"""What each minute's look sends to a worker, and what it removes."""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from continuous_training import schedule, tasks
from continuous_training.conf import loop_settings
from continuous_training.models import TrainingRun
from continuous_training.training import sending
from continuous_training.training.claims import take
from continuous_training.training.folders import data_folder, run_folder
from continuous_training.training.runs import advance_run, cancel_run, resume_runs
from tests.unit.continuous_training.training.material import requested

pytestmark = pytest.mark.django_db


def change(run: TrainingRun, **values: Any) -> None:
    TrainingRun.objects.filter(pk=run.pk).update(**values)


def minutes(count: int) -> datetime:
    return datetime.now(UTC) + timedelta(minutes=count)


def test_runs_that_nobody_has_and_that_have_something_to_do_are_sent(
    tmp_path: Path, sent: Callable[[], list[Any]]
) -> None:
    queued, waiting, due, dead, alive, over = (
        requested(tmp_path, task=task, trainer="elsewhere")
        for task in ("queued", "waiting", "due", "dead", "alive", "over")
    )
    change(waiting, state="training", next_at=minutes(1))
    change(due, state="training", next_at=minutes(-1))
    change(dead, state="training", worker="host/1/x", heartbeat_at=minutes(-3))
    change(alive, state="training", worker="host/2/x", heartbeat_at=minutes(-1))
    advance_run(over.pk)
    sent()

    found = resume_runs()

    assert found == [queued.pk, due.pk, dead.pk]
    assert sent() == [[each] for each in found]
    assert take(waiting.pk) is None


def test_of_the_runs_on_a_device_only_the_first_is_sent(tmp_path: Path) -> None:
    first, _ = (requested(tmp_path, task=task) for task in ("a", "b"))

    assert resume_runs() == [first.pk]


def test_while_a_device_is_in_use_nothing_is_sent_for_it(tmp_path: Path) -> None:
    first, _ = (requested(tmp_path, task=task) for task in ("a", "b"))
    take(first.pk)

    assert resume_runs() == []


def test_a_run_that_is_to_be_cancelled_is_sent_before_its_time(tmp_path: Path) -> None:
    run = requested(tmp_path, trainer="elsewhere", options={"waits": 100})
    advance_run(run.pk)
    cancel_run(run.pk, by="bob")

    assert resume_runs() == [run.pk]


def test_what_a_kill_left_behind_the_end_of_a_run_is_removed(tmp_path: Path) -> None:
    run = requested(tmp_path)
    change(run, state="failed")

    resume_runs()

    assert not data_folder(run_folder(run.pk)).exists()
    assert run_folder(run.pk).exists()


def test_a_request_that_was_killed_before_its_row_leaves_nothing_for_long(tmp_path: Path) -> None:
    queued, old, new = (requested(tmp_path, task=task) for task in ("queued", "old", "new"))
    TrainingRun.objects.exclude(pk=queued.pk).delete()
    foreign = loop_settings().runs_folder / "notes"
    foreign.mkdir()
    long_ago = time.time() - 25 * 3600
    for folder in (run_folder(queued.pk), run_folder(old.pk), foreign):
        os.utime(folder, (long_ago, long_ago))

    resume_runs()

    there = {path.name for path in loop_settings().runs_folder.iterdir()}
    assert there >= {queued.pk, new.pk, "notes"}
    assert old.pk not in there


def test_a_broker_that_is_away_costs_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = requested(tmp_path)
    nowhere = {f"{name}_folder": str(tmp_path / "away") for name in ("control", "processed")}
    nowhere |= {f"data_folder_{way}": str(tmp_path / "away") for way in ("in", "out")}
    with Celery("away", broker="filesystem://localhost", set_as_current=True) as app:
        app.conf.broker_transport_options = nowhere
        sending.send(run.pk, expires=60)

    assert f"The training run {run.pk} could not be sent to a worker" in caplog.text


def test_beat_knows_the_tasks_and_the_worker_does_what_is_sent(tmp_path: Path) -> None:
    entries = schedule.CONTINUOUS_TRAINING_SCHEDULE
    weekly = entries["request-weekly-training-runs"]

    assert entries["resume-training-runs"]["task"] == tasks.resume_runs.name
    assert weekly["task"] == tasks.request_weekly_runs.name
    assert str(weekly["schedule"].tz) == "America/Chicago"
    assert (weekly["schedule"].hour, weekly["schedule"].minute) == ({3}, {0})
    assert weekly["schedule"].day_of_week == {0}
    assert tasks.advance_run.name == sending.TASK

    run = requested(tmp_path)
    tasks.resume_runs()
    tasks.advance_run(run.pk)
    run.refresh_from_db()
    assert run.state == "succeeded"
