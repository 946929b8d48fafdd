"""manage.py drain_captures, and what every command shares."""

import logging
from io import StringIO
from typing import Any

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from capture_app.conf import capture_settings
from capture_app.exceptions import CaptureError, LiveDatabaseError
from capture_app.jobs import DRAIN, only_run
from capture_app.management.service_command import ServiceCommand
from capture_app.models import Job
from capture_app.progress import Progress
from capture_app.services import drain_captures
from capture_app.tasks import drain_captures as drain_task
from tests.unit.capture_app.captured import example, spool, stored, waiting_records

pytestmark = pytest.mark.django_db


def output(*arguments: str) -> str:
    out = StringIO()
    call_command("drain_captures", *arguments, stdout=out)
    return out.getvalue()


def test_it_says_what_it_drained() -> None:
    spool(example(), example())

    assert output().startswith("Drained 2 examples in ")
    assert len(stored()) == 2


def test_it_says_when_there_was_nothing() -> None:
    assert output() == "Nothing was drained.\n"


def test_it_says_what_is_in_quarantine() -> None:
    spool(example(), b"torn\n")

    assert "1 record could not be stored, kept in quarantine/" in output()


def test_json_is_one_object_and_nothing_else() -> None:
    spool(example(), b"torn\n")

    result = orjson.loads(output("--json"))

    assert result.pop("seconds") >= 0
    assert result == {"rows": 1, "batches": 1, "quarantined": 1}


def test_progress_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    spool(example())

    call_command("drain_captures", "--json")

    printed = capsys.readouterr()
    assert orjson.loads(printed.out)["rows"] == 1
    assert printed.err == "draining ...\n"


def test_a_damaged_database_is_an_error_with_exit_code_1() -> None:
    spool(example())
    capture_settings().live_database.write_bytes(b"no database at all")

    with pytest.raises(CommandError, match="safe in the inbox") as error:
        output()

    assert error.value.returncode == 1


def test_the_celery_task_drains_too() -> None:
    spool(example())

    drain_task()

    assert len(stored()) == 1


def test_a_drain_beside_another_is_refused_with_exit_code_75() -> None:
    spool(example())

    with only_run(DRAIN), pytest.raises(CommandError, match="'drain' is at work") as error:
        output()

    assert error.value.returncode == 75
    assert len(waiting_records()) == 1


def test_the_celery_task_leaves_the_work_to_a_drain_that_is_at_work(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    spool(example())

    with only_run(DRAIN):
        drain_task()

    assert len(waiting_records()) == 1
    [record] = caplog.records
    assert (record.levelno, "'drain' is at work" in record.getMessage()) == (logging.INFO, True)


def test_a_drain_logs_what_it_did_as_figures(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    spool(example(), example(), b"torn\n")

    drain_captures()
    drain_captures()

    done, bad = caplog.records
    assert done.getMessage().startswith("Drained 2 examples in ")
    assert (done.__dict__["rows"], done.__dict__["quarantined"], done.__dict__["seconds"] > 0) == (2, 1, True)
    assert (bad.levelno, bad.getMessage()[:35]) == (logging.WARNING, "1 record could not be stored; quara")


def test_a_drain_is_recorded_well_or_not() -> None:
    spool(example(), example())
    drain_captures()
    assert (Job.objects.get().state, Job.objects.get().rows) == ("ok", 2)

    spool(example())
    capture_settings().live_database.write_bytes(b"no database at all")
    with pytest.raises(LiveDatabaseError):
        drain_captures()

    assert (Job.objects.get().state, Job.objects.get().rows) == ("failed", 2)
    assert Job.objects.get().problem.startswith("LiveDatabaseError")


class Failing(ServiceCommand):
    """A command whose service raises `error`."""

    error: BaseException
    requires_migrations_checks = False

    def call(self, progress: Progress, options: dict[str, Any]) -> Any:
        raise self.error

    def show(self, result: Any) -> None: ...


@pytest.mark.parametrize(
    ("error", "exit_code", "message"),
    [
        (CaptureError("The cupboard is bare."), 1, "The cupboard is bare."),
        (OSError(28, "No space left on device"), 1, "No space left on device. Nothing is lost"),
        (OperationalError("database is locked"), 1, "database is locked. Nothing is lost"),
        (KeyboardInterrupt(), 130, "Interrupted. Nothing is lost"),
    ],
    ids=["capture", "disk", "database", "ctrl-c"],
)
def test_an_error_is_a_message_and_an_exit_code(error: BaseException, exit_code: int, message: str) -> None:
    command = Failing()
    command.error = error

    with pytest.raises(CommandError) as raised:
        call_command(command)

    assert message in str(raised.value)
    assert raised.value.returncode == exit_code


def test_an_error_that_nobody_foresaw_keeps_its_traceback() -> None:
    command = Failing()
    command.error = ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        call_command(command)
