"""manage.py drain_captures, and what every command shares."""

from io import StringIO
from typing import Any

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from capture_app.conf import capture_settings
from capture_app.exceptions import CaptureError
from capture_app.management.service_command import ServiceCommand
from capture_app.progress import Progress
from capture_app.tasks import drain_captures as drain_task
from tests.unit.capture_app.captured import example, spool, stored

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
    assert output() == "The inbox is empty: nothing to drain.\n"


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
