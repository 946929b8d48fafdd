"""What an archive run leaves in the row of its job, and in the log."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from django.db import OperationalError
from django.db.models.query import QuerySet

from capture_app.jobs import ARCHIVE, DRAIN
from capture_app.models import Job
from tests.unit.training_archive.material import row, write_database
from training_archive.exceptions import ArchiveBusy, ArchiveError
from training_archive.services import archive_status, archive_training_data
from training_archive.tasks import archive_training_data as archive_task

pytestmark = pytest.mark.django_db

Calls = Callable[..., list[str]]


def recorded() -> dict[str, Job]:
    return {job.name: job for job in Job.objects.all()}


def test_a_run_is_recorded_and_so_is_the_drain_in_it(capture_calls: Calls) -> None:
    capture_calls(3)

    archive_training_data()

    jobs = recorded()
    assert (jobs[ARCHIVE].state, jobs[ARCHIVE].rows) == ("ok", 3)
    assert (jobs[DRAIN].state, jobs[DRAIN].rows) == ("ok", 3)


def test_a_run_that_found_nothing_new_succeeded_too() -> None:
    archive_training_data()

    assert (recorded()[ARCHIVE].state, recorded()[ARCHIVE].rows) == ("ok", 0)


def test_a_run_that_failed_says_why(capture_calls: Calls, zip_path: Path) -> None:
    capture_calls(1)
    zip_path.write_bytes(b"no ZIP")

    with pytest.raises(ArchiveError):
        archive_training_data()

    assert recorded()[ARCHIVE].state == "failed"
    assert recorded()[ARCHIVE].problem.startswith("ArchiveDamaged")


def test_a_run_that_could_not_even_begin_failed_too(zip_path: Path) -> None:
    zip_path.mkdir(parents=True)

    with pytest.raises(ArchiveError, match="is no file"):
        archive_training_data()

    assert recorded()[ARCHIVE].problem == "ArchiveError"


def test_a_run_that_was_refused_did_not_take_place(
    data_dir: Path, lock_elsewhere: Callable[[Path], AbstractContextManager[None]]
) -> None:
    with lock_elsewhere(data_dir / "sealed" / ".lock"), pytest.raises(ArchiveBusy):
        archive_training_data()

    assert recorded() == {}


def test_a_run_on_another_database_is_not_the_job(tmp_path: Path) -> None:
    archive_training_data(db_path=write_database(tmp_path / "elsewhere" / "other.duckdb", [row("a")]))

    assert recorded() == {}


def test_a_run_into_another_zip_is_not_the_job(capture_calls: Calls, tmp_path: Path) -> None:
    capture_calls(1)

    archive_training_data(zip_path=tmp_path / "other.zip")

    assert set(recorded()) == {DRAIN}


def test_the_task_leaves_the_work_to_a_run_that_is_at_work(
    data_dir: Path,
    lock_elsewhere: Callable[[Path], AbstractContextManager[None]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)

    with lock_elsewhere(data_dir / "sealed" / ".lock"):
        archive_task()

    [record] = caplog.records
    assert (record.levelno, "is at work" in record.getMessage()) == (logging.INFO, True)


def test_a_run_logs_what_it_did_as_figures(capture_calls: Calls, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    capture_calls(1)

    archive_training_data()

    [record] = [record for record in caplog.records if record.name == "training_archive"]
    assert record.getMessage().startswith("Archived 1 example in ")
    facts = record.__dict__
    assert (facts["rows"], facts["quarantined"], facts["seconds"] > 0) == (1, 0, True)


def test_the_status_has_the_other_figures_when_the_database_has_no_jobs(
    capture_calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: object) -> None:
        raise OperationalError("no such table")

    capture_calls(2)
    monkeypatch.setattr(QuerySet, "__iter__", away)

    status = archive_status()

    assert (status.capture.inbox_rows, status.jobs) == (2, [])
    assert "what the jobs did" in status.problem
