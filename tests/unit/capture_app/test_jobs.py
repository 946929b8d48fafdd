"""What a job did is recorded, and two runs of one do not overlap."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models.query import QuerySet

from capture_app.exceptions import JobBusy, LiveDatabaseError
from capture_app.jobs import describe, job, only_run
from capture_app.models import Job

pytestmark = pytest.mark.django_db

_HOLD = """
import sys
from django.conf import settings
settings.configure(TRAINING_CAPTURE={"DATA_DIR": sys.argv[1]}, INSTALLED_APPS=["capture_app"])
import django
django.setup()
from capture_app.jobs import only_run
with only_run("sweep"):
    print("held", flush=True)
    sys.stdin.read()
"""


def run(rows: int = 0, **options: Any) -> Job:
    """A run that succeeds; the job afterwards."""
    with job("sweep", **options) as it:
        it.started()
        it.rows = rows
    return Job.objects.get()


def fail(error: BaseException, **options: Any) -> None:
    with pytest.raises(type(error)):
        run_into(error, **options)


def run_into(error: BaseException, **options: Any) -> None:
    with job("sweep", **options) as it:
        it.started()
        raise error


def just_now(moment: datetime | None) -> bool:
    return moment is not None and timedelta(0) <= datetime.now(UTC) - moment < timedelta(minutes=1)


def test_a_success_says_when_how_long_and_how_much() -> None:
    done = run(rows=7)

    assert (done.name, done.rows, done.problem, done.state) == ("sweep", 7, "", "ok")
    assert all(map(just_now, (done.started_at, done.finished_at, done.last_success_at)))
    assert done.seconds is not None
    assert 0 <= done.seconds < 60


def test_a_job_has_one_row_however_often_it_runs() -> None:
    run(rows=1)

    assert run(rows=2).rows == 2


def test_a_failure_says_what_kind_it_was_and_keeps_the_last_success() -> None:
    before = run(rows=7)

    fail(OSError(28, "No space left on device"))

    after = Job.objects.get()
    assert (after.problem, after.state) == ("OSError: No space left on device", "failed")
    assert (after.last_success_at, after.rows) == (before.last_success_at, 7)


def test_a_success_ends_a_failure() -> None:
    fail(ValueError("odd"))

    assert (run().problem, run().state) == ("", "ok")


def test_even_an_interruption_is_recorded() -> None:
    fail(KeyboardInterrupt())

    assert Job.objects.get().problem == "KeyboardInterrupt"


def test_a_run_that_began_and_did_not_end_is_running() -> None:
    run()

    with job("sweep") as it:
        it.started()
        assert Job.objects.get().state == "running"


def test_a_refused_run_did_not_take_place() -> None:
    before = run(rows=7)

    with pytest.raises(JobBusy), job("sweep", refusal=JobBusy):
        raise JobBusy("Another run is at work.")

    assert Job.objects.values().get() == {
        **{field.name: getattr(before, field.name) for field in Job._meta.fields},
    }


def test_a_run_on_other_data_is_not_recorded() -> None:
    with job("sweep", recorded=False) as it:
        it.started()
    fail(ValueError("odd"), recorded=False)

    assert not Job.objects.exists()


def test_notes_stay_until_a_success_replaces_them() -> None:
    with job("sweep") as it:
        it.notes = {"seen": 3}
    run()
    fail(ValueError("odd"))

    assert Job.objects.get().notes == {"seen": 3}


@pytest.fixture
def no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(QuerySet, "update_or_create", fail)


@pytest.mark.usefixtures("no_database")
def test_what_cannot_be_recorded_is_a_success_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    with job("sweep") as it:
        it.started()

    assert "could not be recorded (OperationalError)" in caplog.text


@pytest.mark.usefixtures("no_database")
def test_what_cannot_be_recorded_hides_no_error() -> None:
    fail(ValueError("the job's own"))


def test_no_word_of_an_example_comes_into_the_database() -> None:
    error = LiveDatabaseError("Could not convert string 'secret' to INT64")
    error.__cause__ = ValueError("secret")

    fail(error)

    assert Job.objects.get().problem == "LiveDatabaseError (ValueError)"


def test_the_systems_own_words_are_told() -> None:
    assert describe(PermissionError(13, "Permission denied", "/secret/path")) == "PermissionError: Permission denied"


def test_two_processes_do_not_run_one_job(data_dir: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(data_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(JobBusy, match="'sweep' is at work"), only_run("sweep"):
            pytest.fail("Both are at work.")
        with only_run("another job"):
            pass
        other.communicate()

    with only_run("sweep"):
        pass


def test_two_threads_or_nested_runs_do_not_run_one_job() -> None:
    with only_run("sweep"), pytest.raises(JobBusy), only_run("sweep"):
        pytest.fail("Both are at work.")
