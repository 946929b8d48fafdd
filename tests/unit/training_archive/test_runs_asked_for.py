"""Runs over the archive that somebody asks for, and a worker takes."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction

from training_archive import runs
from training_archive.models import ArchiveRun
from training_archive.runs import (
    RunNotWaiting,
    RunPending,
    cancel_run,
    could_not_be_sent,
    request_run,
)
from training_archive.services import archive_training_data
from training_archive.tasks import archive_training_data as archive_task

pytestmark = pytest.mark.django_db

Calls = Callable[..., list[str]]
State, Kind = ArchiveRun.State, ArchiveRun.Kind


def test_a_run_that_was_asked_for_bears_its_name_and_is_the_same_row(capture_calls: Calls) -> None:
    capture_calls(1)
    asked = request_run(Kind.ARCHIVE, by="ada")
    assert asked.state == State.QUEUED

    archive_task(run_id=asked.pk)

    run = ArchiveRun.objects.get()
    assert (run.pk, run.requested_by, run.state, run.rows) == (asked.pk, "ada", "succeeded", 1)
    assert run.started_at
    assert run.process


def test_a_second_one_is_refused_while_the_first_is_queued_or_at_work() -> None:
    asked = request_run(Kind.ARCHIVE, by="ada")
    with pytest.raises(RunPending, match="still queued"):
        request_run(Kind.ARCHIVE, by="bob")

    asked.state, asked.seen_at = State.RUNNING, datetime.now(UTC)
    asked.save()
    with pytest.raises(RunPending, match="still at work"):
        request_run(Kind.ARCHIVE, by="bob")


def test_a_verification_may_be_asked_for_beside_an_archive_run() -> None:
    request_run(Kind.ARCHIVE, by="ada")
    request_run(Kind.VERIFY, by="ada")

    assert {run.kind for run in runs.active_runs()} == {"archive", "verify"}


def test_two_who_ask_at_the_same_moment_get_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    request_run(Kind.ARCHIVE, by="ada")
    with pytest.raises(IntegrityError), transaction.atomic():
        ArchiveRun.objects.create(
            kind=Kind.ARCHIVE, state=State.QUEUED, requested_by="bob", requested_at=datetime.now(UTC)
        )


def test_a_cancelled_run_is_not_begun(zip_path: Path, capture_calls: Calls) -> None:
    capture_calls(1)
    asked = request_run(Kind.ARCHIVE, by="ada")
    cancel_run(asked.pk)

    with pytest.raises(RunNotWaiting, match="cancelled"):
        archive_training_data(run_id=asked.pk)
    archive_task(run_id=asked.pk)

    assert not zip_path.exists()
    assert ArchiveRun.objects.get().state == "cancelled"


def test_a_task_that_comes_twice_runs_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    asked = request_run(Kind.ARCHIVE, by="ada")
    archive_task(run_id=asked.pk)
    first = ArchiveRun.objects.get()

    archive_task(run_id=asked.pk)

    assert ArchiveRun.objects.get().finished_at == first.finished_at
    assert "Nothing was done." in caplog.text


def test_the_id_of_a_verification_begins_no_archive_run(zip_path: Path) -> None:
    asked = request_run(Kind.VERIFY, by="ada")

    with pytest.raises(RunNotWaiting):
        archive_training_data(run_id=asked.pk)


def test_a_run_that_has_begun_is_not_cancelled() -> None:
    asked = request_run(Kind.ARCHIVE, by="ada")
    archive_task(run_id=asked.pk)

    with pytest.raises(RunNotWaiting, match="not queued any more"):
        cancel_run(asked.pk)


def test_a_run_that_reached_no_queue_failed() -> None:
    asked = request_run(Kind.ARCHIVE, by="ada")
    could_not_be_sent(asked.pk, ConnectionRefusedError(111, "Connection refused"))

    run = ArchiveRun.objects.get()
    assert (run.state, run.problem) == ("failed", "ConnectionRefusedError: Connection refused")
    assert request_run(Kind.ARCHIVE, by="ada").pk != asked.pk
