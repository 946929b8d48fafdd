"""Failures are logged when their cause appears, and counted always."""

import errno
import logging
from typing import Any

import pytest

from capture_app import call_llm
from capture_app.exceptions import InboxError
from capture_app.metrics import (
    CaptureCounts,
    capture_counts,
    capture_failures_total,
    count_capture_failure,
    count_captures,
    count_withheld,
    note_capture_success,
    total,
)
from capture_app.services import drain_captures
from tests.unit.capture_app.processes import in_child


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


def test_nothing_has_been_counted_where_nothing_was_captured() -> None:
    assert capture_counts() == CaptureCounts()


def test_what_happens_to_calls_is_counted_for_all_processes() -> None:
    in_child(lambda: count_captures(3))
    count_captures(2)
    count_withheld()
    count_capture_failure(disk_full())
    in_child(lambda: count_capture_failure(disk_full()))

    cause = f"OSError errno {errno.ENOSPC}"
    assert capture_counts() == CaptureCounts(captured=5, withheld=1, failures={cause: 2})
    assert capture_failures_total() == {cause: 1}


@pytest.mark.django_db
def test_a_captured_call_is_counted_once_it_is_drained() -> None:
    call_llm("What is the price?", training_metadata={})
    call_llm("What is the price?")
    drain_captures()
    drain_captures()

    assert capture_counts() == CaptureCounts(captured=1)


@pytest.mark.usefixtures("broken_spool")
def test_a_call_that_is_not_kept_is_a_failure_and_no_capture() -> None:
    call_llm("What is the price?", training_metadata={})

    counts = capture_counts()
    assert (counts.captured, sum(counts.failures.values())) == (0, 1)


def test_a_forked_child_logs_a_cause_for_itself(caplog: pytest.LogCaptureFixture) -> None:
    count_capture_failure(disk_full())

    def child() -> tuple[int, int]:
        caplog.clear()
        at_first = total()
        count_capture_failure(disk_full())
        return at_first, len(logged(caplog, logging.ERROR))

    assert in_child(child) == "(0, 1)"


def test_an_odd_name_of_an_error_is_no_problem(caplog: pytest.LogCaptureFixture) -> None:
    error = type("Störung" + "x" * 500, (Exception,), {})()

    count_capture_failure(error)

    [cause] = capture_counts().failures
    assert cause.startswith("St\\xf6rung")
    assert "Counts cannot be written" not in caplog.text


def test_a_wrong_setting_is_counted_too(settings: Any) -> None:
    settings.TRAINING_CAPTURE = {}

    count_capture_failure(ValueError("odd"))
    count_captures(1)

    assert capture_failures_total() == {"ValueError": 1}
