"""What all commands share: without tables they do not begin, and what they print is the result alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from capture_app import call_llm
from capture_app.services import capture_status

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def pending(request: pytest.FixtureRequest, db: None) -> str:
    """The last migration of the app that the test names is not applied; its name."""
    [(app, name)] = MigrationExecutor(connection).loader.graph.leaf_nodes(request.param)
    MigrationRecorder(connection).record_unapplied(app, name)
    return f"{app}.{name}"


@pytest.fixture
def captured(db: None) -> None:
    call_llm("What does it cost?", task="shop", training_metadata={})


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Why the command did not begin; it printed nothing, and touched nothing."""
    with pytest.raises(CommandError) as error:
        call_command(*arguments)
    assert capsys.readouterr().out == ""
    assert error.value.returncode == 1
    status = capture_status()
    assert (status.inbox_rows, status.live_rows) == (1, 0)
    return str(error.value)


@pytest.mark.usefixtures("captured")
@pytest.mark.parametrize(
    ("pending", "arguments"),
    [
        ("capture_app", ["drain_captures", "--json"]),
        ("capture_app", ["archive_training_data", "--json"]),
        ("training_archive", ["archive_training_data", "--json"]),
        ("training_archive", ["export_dataset", "--format=openai-chat", "--dry-run", "--json"]),
        ("training_archive", ["import_examples", "examples.jsonl", "--json"]),
    ],
    indirect=["pending"],
)
def test_without_tables_a_command_does_not_begin(
    capsys: pytest.CaptureFixture[str], pending: str, arguments: list[str]
) -> None:
    message = refused(capsys, *arguments)

    assert f"not applied, {pending} first. Nothing was done" in message
    assert "Run `manage.py migrate`" in message


@pytest.mark.usefixtures("captured")
@pytest.mark.parametrize("pending", ["training_archive", "sessions"], indirect=True)
def test_migrations_of_other_apps_are_not_asked_for(capsys: pytest.CaptureFixture[str], pending: str) -> None:
    call_command("drain_captures", "--json")

    assert json.loads(capsys.readouterr().out)["rows"] == 1


def manage(data_dir: Path, database_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TRAINING_DATA_DIR": str(data_dir), "DATABASE_URL": database_url}
    environment["DJANGO_SETTINGS_MODULE"] = "project_settings.settings"
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_a_database_that_cannot_be_reached_is_told_without_a_traceback(data_dir: Path) -> None:
    done = manage(data_dir, "postgres://nobody@127.0.0.1:1/nothing", "drain_captures", "--json")

    assert (done.returncode, done.stdout) == (1, "")
    assert "Django's database: connection failed" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_host_without_tables_verifies_what_it_fetched(data_dir: Path) -> None:
    done = manage(data_dir, f"sqlite:///{data_dir.parent / 'db.sqlite3'}", "verify_archive", "--json")

    assert done.stdout == ""
    assert "There is no archive at" in done.stderr
