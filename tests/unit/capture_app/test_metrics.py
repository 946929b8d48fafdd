"""Failures are logged when their cause appears, and counted always."""

import errno
import logging

import pytest

from capture_app.exceptions import InboxError
from capture_app.metrics import capture_failures_total, count_capture_failure, note_capture_success, total


def disk_full() -> InboxError:
    error = InboxError("The record could not be written.")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    return error


def logged(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == level]


def test_at_first_nothing_has_failed() -> None:
    assert capture_failures_total() == {}
    assert total() == 0


def test_failures_are_counted_by_their_cause() -> None:
    for error in (disk_full(), ValueError("odd"), disk_full()):
        count_capture_failure(error)

    assert capture_failures_total() == {f"OSError errno {errno.ENOSPC}": 2, "ValueError": 1}
    assert total() == 3


def test_a_cause_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        count_capture_failure(disk_full())

    [message] = logged(caplog, logging.ERROR)
    assert f"errno {errno.ENOSPC}" in message


def test_the_log_carries_the_traceback(caplog: pytest.LogCaptureFixture) -> None:
    error = disk_full()

    count_capture_failure(error)

    assert caplog.records[0].exc_info is not None
    assert caplog.records[0].exc_info[1] is error


def test_another_cause_is_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    count_capture_failure(disk_full())
    count_capture_failure(ValueError("odd"))

    assert len(logged(caplog, logging.ERROR)) == 2


def test_success_without_a_failure_before_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    note_capture_success()

    assert caplog.records == []


def test_recovery_is_said_once_with_what_was_lost(caplog: pytest.LogCaptureFixture) -> None:
    count_capture_failure(disk_full())
    count_capture_failure(disk_full())

    note_capture_success()
    note_capture_success()

    [message] = logged(caplog, logging.WARNING)
    assert "works again" in message
    assert "2 examples" in message


def test_a_cause_that_comes_back_after_recovery_is_logged_anew(caplog: pytest.LogCaptureFixture) -> None:
    count_capture_failure(disk_full())
    note_capture_success()
    count_capture_failure(disk_full())

    assert len(logged(caplog, logging.ERROR)) == 2


def test_recovery_does_not_forget_the_counts() -> None:
    count_capture_failure(disk_full())
    note_capture_success()

    assert total() == 1
