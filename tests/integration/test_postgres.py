"""The stand-alone project on a real PostgreSQL."""

import json
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from tests.integration.conftest import Project

HOSTILE_CALL = """
import django
django.setup()
from capture_app import call_llm
text = "a\\0b \\ud800 \\U0001f600 " + "long " * 200
print(call_llm(text, task="shop\\0", training_metadata={"user_id": "u\\0", "conversation_id": "c" * 500}).example_id)
"""

BROWSE = """
import django
django.setup()
from django.contrib.auth.models import User
from django.test import Client
client = Client(SERVER_NAME="localhost")
client.force_login(User.objects.create_superuser("boss"))
for page in ("", "capture_app/exampleindex/", "capture_app/exampleindex/?q=Question", "training_archive/archivedchunk/",
             "django_celery_beat/periodictask/"):
    print(client.get("/admin/" + page).status_code)
"""


@pytest.fixture
def project(make_project: Callable[..., Project], postgres_url: str) -> Project:
    """Described by `DATABASE_TYPE` and its variables, as the seed has it."""
    parts = urlsplit(postgres_url)
    return make_project(
        DATABASE_URL="",
        DATABASE_TYPE="postgres",
        POSTGRES_DB=parts.path.lstrip("/"),
        POSTGRES_USER=str(parts.username),
        POSTGRES_HOST=str(parts.hostname),
        POSTGRES_PORT=str(parts.port),
    )


def answer(project: Project, *arguments: str) -> dict[str, object]:
    """What a command says with --json."""
    process = project.manage(*arguments, "--json")
    assert process.returncode == 0, process.stderr
    found: dict[str, object] = json.loads(process.stdout)
    return found


def test_calls_are_captured_drained_archived_and_indexed(project: Project) -> None:
    project.capture(3)
    hostile = project.run("-c", HOSTILE_CALL)
    assert hostile.returncode == 0, hostile.stderr

    assert answer(project, "drain_captures")["rows"] == 4
    assert project.manage("archive_training_data").returncode == 0
    assert project.manage("verify_archive").returncode == 0
    rebuilt = project.manage("rebuild_example_index")

    assert "4 examples" in rebuilt.stdout, rebuilt.stderr
    status = project.status()
    assert (status["inbox_rows"], status["live_rows"], status["archived_rows"], status["quarantined"]) == (0, 0, 4, 0)


def test_the_admin_shows_the_examples_and_the_schedule(project: Project) -> None:
    project.capture(3)
    project.manage("archive_training_data")

    project.manage("refresh_figures")
    pages = project.run("-c", BROWSE)

    assert pages.stdout.split() == ["200"] * 5, pages.stderr
