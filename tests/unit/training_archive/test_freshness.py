"""The freshness check finds what does not get on, logs it, and writes to ADMINS once."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from smtplib import SMTPException
from typing import Any

import pytest
from django.core import mail

from capture_app.conf import capture_settings
from capture_app.exceptions import InboxError, JobBusy
from capture_app.inbox.spool import SpoolInbox
from capture_app.jobs import ARCHIVE, FRESHNESS
from capture_app.models import ExampleIndex, Job
from capture_app.services import drain_captures
from training_archive import freshness
from training_archive.freshness import FreshnessReport, check_freshness
from training_archive.models import ArchivedChunk
from training_archive.sealed import sealed_files
from training_archive.services import archive_training_data
from training_archive.tasks import check_freshness as check_task

pytestmark = pytest.mark.django_db

Calls = Callable[..., list[str]]

LONG_AGO = timedelta(days=3)


@pytest.fixture(autouse=True)
def admins(settings: Any) -> None:
    settings.ADMINS = [("Ada", "ada@example.com")]


@pytest.fixture
def limits(settings: Any) -> Callable[..., None]:
    def configure(**keys: Any) -> None:
        settings.TRAINING_ARCHIVE = keys

    return configure


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Let the check believe that it is later than it is."""

    def move(by: timedelta) -> None:
        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return datetime.now(tz) + by

        monkeypatch.setattr(freshness, "datetime", Clock)

    return move


def codes(report: FreshnessReport) -> list[str]:
    return [finding.code for finding in report.findings]


def subjects() -> list[str]:
    return [message.subject.removeprefix("[Django] ") for message in mail.outbox]


def quarantine(data_dir: Path, count: int, folder: str = "generation") -> None:
    path = data_dir / "quarantine" / folder / "batch.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(b"{}\n" * count)


def archived_long_ago() -> None:
    """The archive run has succeeded, but not lately."""
    moment = datetime.now(UTC) - LONG_AGO
    Job.objects.update_or_create(name=ARCHIVE, defaults={"last_success_at": moment})
    ArchivedChunk.objects.update(archived_at=moment)


# --- What is found ---------------------------------------------------------------------------------------------------


def test_where_nothing_was_captured_all_is_well(caplog: pytest.LogCaptureFixture) -> None:
    assert check_freshness() == FreshnessReport(findings=[], mailed=False)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_what_came_just_now_may_wait(capture_calls: Calls) -> None:
    capture_calls(1)
    drain_captures()
    capture_calls(1)

    assert codes(check_freshness()) == []


def test_an_archive_run_that_succeeded_lately_is_well(capture_calls: Calls) -> None:
    capture_calls(1)
    archive_training_data()
    capture_calls(1)

    assert codes(check_freshness()) == []


def wait_in_inbox(capture_calls: Calls, interrupted_run: Callable[..., None]) -> None:
    capture_calls(1)


def wait_in_live_database(capture_calls: Calls, interrupted_run: Callable[..., None]) -> None:
    capture_calls(1)
    drain_captures()


def wait_in_sealed_folder(capture_calls: Calls, interrupted_run: Callable[..., None]) -> None:
    capture_calls(1)
    interrupted_run()


@pytest.mark.parametrize("wait", [wait_in_inbox, wait_in_live_database, wait_in_sealed_folder])
def test_an_archive_run_that_is_due_is_late_wherever_the_examples_wait(
    capture_calls: Calls, interrupted_run: Callable[..., None], wait: Callable[..., None]
) -> None:
    wait(capture_calls, interrupted_run)
    archived_long_ago()

    [finding] = check_freshness().findings

    assert finding.code == "archive_late"
    assert finding.text.startswith("No archive run has succeeded since ")
    assert "26 hours are allowed" in finding.text
    assert "safe" in finding.text
    assert "manage.py archive_training_data" in finding.text


def test_an_archive_run_is_not_late_while_nothing_waits(capture_calls: Calls) -> None:
    capture_calls(1)
    archive_training_data()
    archived_long_ago()

    assert codes(check_freshness()) == []


def test_without_any_success_the_first_example_counts(capture_calls: Calls) -> None:
    capture_calls(1)
    drain_captures()
    assert codes(check_freshness()) == []

    ExampleIndex.objects.update(created_at=datetime.now(UTC) - LONG_AGO)

    [finding] = check_freshness().findings
    assert finding.code == "archive_late"
    assert finding.text.startswith("No archive run has succeeded yet")


def test_a_chunk_from_before_jobs_were_recorded_counts_as_a_success(capture_calls: Calls) -> None:
    capture_calls(1)
    archive_training_data()
    Job.objects.all().delete()
    ExampleIndex.objects.update(created_at=datetime.now(UTC) - LONG_AGO)
    capture_calls(1)

    assert codes(check_freshness()) == []


def test_a_run_that_failed_is_no_success(capture_calls: Calls, zip_path: Path) -> None:
    capture_calls(1)
    zip_path.parent.mkdir(parents=True, exist_ok=True)
    archived_long_ago()
    zip_path.write_bytes(b"no ZIP")
    with pytest.raises(Exception, match="not readable as a ZIP"):
        archive_training_data()

    assert "archive_late" in codes(check_freshness())


def test_how_old_the_archive_may_be_is_a_setting(capture_calls: Calls, limits: Callable[..., None]) -> None:
    capture_calls(1)
    archived_long_ago()
    limits(MAX_AGE_HOURS=80)

    assert codes(check_freshness()) == []


def test_an_inbox_that_nobody_drains_is_found(capture_calls: Calls, later: Callable[..., None]) -> None:
    capture_calls(1)
    later(timedelta(minutes=16))

    [finding] = check_freshness().findings

    assert finding.code == "inbox_old"
    assert "15 minutes" in finding.text
    assert "manage.py drain_captures" in finding.text


def test_an_inbox_that_grows_is_found(capture_calls: Calls, limits: Callable[..., None]) -> None:
    limits(MAX_INBOX_BYTES=100)
    capture_calls(1)

    [finding] = check_freshness().findings

    assert finding.code == "inbox_large"
    assert "more than 100" in finding.text


def test_a_sealed_file_that_is_left_over_is_found(
    capture_calls: Calls, interrupted_run: Callable[..., None], later: Callable[..., None]
) -> None:
    capture_calls(1)
    interrupted_run()
    later(timedelta(hours=27))

    found = {finding.code: finding.text for finding in check_freshness().findings}

    assert set(found) == {"sealed_left", "archive_late"}
    assert "1 sealed file waited longer than 26 hours" in found["sealed_left"]


def test_a_sealed_file_that_is_archived_meanwhile_is_no_problem(
    capture_calls: Calls, interrupted_run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    capture_calls(1)
    interrupted_run()
    found = sealed_files()
    archive_training_data()
    monkeypatch.setattr(freshness, "sealed_files", lambda: found)

    assert codes(check_freshness()) == []


def test_an_inbox_that_does_not_answer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(inbox: SpoolInbox) -> Any:
        raise InboxError("redis://:secret@host does not answer")

    monkeypatch.setattr(SpoolInbox, "depth", away)

    [finding] = check_freshness().findings

    assert finding.code == "inbox_unreadable"
    assert "InboxError" in finding.text
    assert "secret" not in finding.text


def test_a_live_database_that_is_damaged_is_found(capture_calls: Calls) -> None:
    capture_calls(1)
    archive_training_data()
    archived_long_ago()
    capture_settings().live_database.write_bytes(b"no database at all")

    assert codes(check_freshness()) == ["live_database_unreadable"]


def test_what_went_to_quarantine_is_told_once(data_dir: Path) -> None:
    quarantine(data_dir, 2)
    [finding] = check_freshness().findings
    assert (finding.code, finding.text[:14]) == ("quarantine_grew", "2 more records")
    assert codes(check_freshness()) == []

    quarantine(data_dir, 1)

    assert check_freshness().findings[0].text.startswith("1 more record could not be stored")
    assert len(mail.outbox) == 2


def test_what_was_withheld_is_told_for_itself(data_dir: Path) -> None:
    quarantine(data_dir, 3, folder="withheld")

    [finding] = check_freshness().findings

    assert (finding.code, finding.text[:15]) == ("withheld_grew", "3 more examples")


def test_a_quarantine_that_was_emptied_may_fill_again(data_dir: Path) -> None:
    quarantine(data_dir, 5)
    check_freshness()
    (data_dir / "quarantine" / "generation" / "batch.jsonl").unlink()
    check_freshness()

    quarantine(data_dir, 1)

    assert codes(check_freshness()) == ["quarantine_grew"]


# --- What is told ----------------------------------------------------------------------------------------------------


def late(capture_calls: Calls) -> None:
    capture_calls(1)
    archived_long_ago()


def test_each_problem_is_logged_as_an_error_each_time(
    capture_calls: Calls, limits: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    limits(MAX_INBOX_BYTES=100)
    late(capture_calls)

    for _ in range(2):
        check_freshness()

    errors = [record.__dict__["problem"] for record in caplog.records if record.levelno == logging.ERROR]
    assert errors == ["inbox_large", "archive_late"] * 2


def test_admins_get_one_mail_about_a_problem(capture_calls: Calls) -> None:
    late(capture_calls)

    reports = [check_freshness() for _ in range(3)]

    assert [report.mailed for report in reports] == [True, False, False]
    [message] = mail.outbox
    assert subjects() == ["Gleaner: the archive is late"]
    assert "No archive run has succeeded since" in str(message.body)
    assert message.to == ["ada@example.com"]


def test_admins_get_another_mail_when_the_problems_change(capture_calls: Calls, limits: Callable[..., None]) -> None:
    late(capture_calls)
    check_freshness()
    limits(MAX_INBOX_BYTES=100)
    check_freshness()
    limits()
    check_freshness()

    assert subjects() == [
        "Gleaner: the archive is late",
        "Gleaner: the inbox grows (and 1 more)",
        "Gleaner: the archive is late",
    ]
    assert "No longer found: inbox_large." in str(mail.outbox[-1].body)


def test_admins_are_reminded_after_a_day(capture_calls: Calls, later: Callable[..., None]) -> None:
    late(capture_calls)
    drain_captures()
    for hours in (0, 23, 25, 47, 50):
        later(timedelta(hours=hours))
        check_freshness()

    assert len(mail.outbox) == 3


def test_admins_get_one_mail_when_all_is_well_again(capture_calls: Calls) -> None:
    late(capture_calls)
    check_freshness()
    archive_training_data()

    for _ in range(2):
        check_freshness()

    assert subjects() == ["Gleaner: the archive is late", "Gleaner: all is well again"]
    assert "No longer found: archive_late." in str(mail.outbox[-1].body)


def test_what_happened_once_needs_no_all_clear(data_dir: Path) -> None:
    quarantine(data_dir, 1)
    check_freshness()
    check_freshness()

    assert subjects() == ["Gleaner: records went to quarantine"]


def test_without_admins_nobody_is_told_and_nothing_fails(settings: Any, capture_calls: Calls) -> None:
    settings.ADMINS = []
    late(capture_calls)

    assert codes(check_freshness()) == ["archive_late"]
    assert mail.outbox == []


def test_a_mail_that_cannot_be_sent_is_logged_and_tried_again(
    capture_calls: Calls, data_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*args: Any) -> None:
        raise SMTPException("no relay")

    late(capture_calls)
    quarantine(data_dir, 1)
    with monkeypatch.context() as patch:
        patch.setattr(freshness, "mail_admins", refuse)
        assert not check_freshness().mailed
    assert "ADMINS could not be told" in caplog.text

    report = check_freshness()

    assert report.mailed
    assert codes(report) == ["archive_late", "quarantine_grew"]


def test_no_word_of_an_example_is_mailed(capture_calls: Calls, data_dir: Path) -> None:
    late(capture_calls)
    quarantine(data_dir, 1)

    check_freshness()

    assert "Question 0" not in str(mail.outbox[0].body)


# --- The job ---------------------------------------------------------------------------------------------------------


def test_a_check_that_finds_problems_is_a_successful_run(capture_calls: Calls) -> None:
    late(capture_calls)

    check_freshness()

    row = Job.objects.get(name=FRESHNESS)
    assert (row.state, row.rows) == ("ok", 1)


def test_a_check_beside_another_is_refused(
    data_dir: Path, lock_elsewhere: Callable[[Path], AbstractContextManager[None]]
) -> None:
    with lock_elsewhere(data_dir / ".freshness.lock"), pytest.raises(JobBusy):
        check_freshness()

    assert not Job.objects.exists()


def test_the_celery_task_checks_and_leaves_a_refused_run_alone(
    data_dir: Path,
    lock_elsewhere: Callable[[Path], AbstractContextManager[None]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    with lock_elsewhere(data_dir / ".freshness.lock"):
        check_task()
    assert "'freshness' is at work" in caplog.text

    check_task()

    assert Job.objects.get(name=FRESHNESS).state == "ok"
