"""Starting and cancelling runs from the page."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import current_app
from django.test import Client
from django.urls import reverse
from kombu.exceptions import OperationalError

from capture_app import call_llm
from console.models import AuditEvent
from training_archive import tasks
from training_archive.models import ArchiveRun
from training_archive.services import archive_training_data

pytestmark = pytest.mark.django_db

LIST = "admin:training_archive_archiverun_changelist"
ONE = "admin:training_archive_archiverun_change"
START, CANCEL = "admin:console_runs_start", "admin:console_runs_cancel"

Make = Callable[..., ArchiveRun]
Callbacks = Callable[..., Any]


@pytest.fixture
def runner(log_in: Callable[..., Client]) -> Client:
    return log_in("run_archive")


@pytest.fixture
def eager() -> Iterator[None]:
    """Tasks are done where they are sent."""
    before, current_app.conf.task_always_eager = current_app.conf.task_always_eager, True
    yield
    current_app.conf.task_always_eager = before


@pytest.fixture
def archive() -> None:
    """One chunk, archived from the shell."""
    call_llm("Question", task="shop", training_metadata={})
    archive_training_data()


@pytest.mark.usefixtures("eager", "archive")
@pytest.mark.parametrize("kind", ["archive", "verify"])
def test_a_click_starts_a_run_of_the_users_own(
    runner: Client, kind: str, django_capture_on_commit_callbacks: Callbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = runner.post(reverse(START), {"kind": kind})

    run = ArchiveRun.objects.get(requested_by="ada")
    assert (run.kind, run.state) == (kind, "succeeded")
    assert answer["Location"] == reverse(ONE, args=[run.pk])


def test_starting_is_in_the_trail(runner: Client) -> None:
    runner.post(reverse(START), {"kind": "verify"})

    event = AuditEvent.objects.get()
    run = ArchiveRun.objects.get()
    assert (event.user, event.action, event.details) == ("ada", "ran", {"run": run.pk, "kind": "verify"})


def test_a_second_click_says_that_one_is_at_work(runner: Client) -> None:
    runner.post(reverse(START), {"kind": "archive"})

    answer = runner.post(reverse(START), {"kind": "archive"}, follow=True)

    assert answer.redirect_chain[-1][0] == reverse(LIST)
    assert "The last archive run is still queued" in answer.content.decode()
    assert (ArchiveRun.objects.count(), AuditEvent.objects.count()) == (1, 1)


@pytest.mark.parametrize("kind", ["", "forget", "\0", "archive "])
def test_a_kind_that_there_is_not_starts_nothing(runner: Client, kind: str) -> None:
    answer = runner.post(reverse(START), {"kind": kind}, follow=True)

    assert "There is no such run" in answer.content.decode()
    assert not ArchiveRun.objects.exists()


def test_a_broker_that_is_away_is_said(
    runner: Client, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Callbacks
) -> None:
    def away(**options: Any) -> None:
        raise OperationalError("[Errno 111] Connection refused")

    monkeypatch.setattr(tasks.archive_training_data, "apply_async", away)
    with django_capture_on_commit_callbacks(execute=True):
        answer = runner.post(reverse(START), {"kind": "archive"})

    run = ArchiveRun.objects.get()
    assert (run.state, run.problem) == ("failed", "OperationalError")
    assert "It reached no queue" in runner.get(answer["Location"]).content.decode()


def test_nothing_is_sent_when_the_trail_cannot_be_written(
    runner: Client, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Callbacks
) -> None:
    def refuse(*args: Any, **values: Any) -> None:
        raise RuntimeError("the trail is away")

    monkeypatch.setattr("console.runs.starting.note", refuse)
    with django_capture_on_commit_callbacks() as callbacks, pytest.raises(RuntimeError):
        runner.post(reverse(START), {"kind": "archive"})

    assert callbacks == []
    assert not ArchiveRun.objects.exists()


def test_a_queued_run_is_cancelled(runner: Client, make_queued: Make) -> None:
    run = make_queued()
    assert "Cancel it" in runner.get(reverse(ONE, args=[run.pk])).content.decode()

    answer = runner.post(reverse(CANCEL, args=[run.pk]), follow=True)

    assert "The run was cancelled" in answer.content.decode()
    assert ArchiveRun.objects.get().state == "cancelled"
    assert AuditEvent.objects.get().details == {"run": run.pk, "cancelled": True}


def test_a_run_that_is_over_is_not_cancelled(runner: Client, make_run: Make) -> None:
    run = make_run()

    answer = runner.post(reverse(CANCEL, args=[run.pk]), follow=True)

    assert "is not queued any more" in answer.content.decode()
    assert ArchiveRun.objects.get().state == "succeeded"
    assert not AuditEvent.objects.exists()


def test_cancelling_what_is_not_there_is_404(runner: Client) -> None:
    assert runner.post(reverse(CANCEL, args=[999]), follow=True).status_code == 404
