"""A project of its own for each test: its own folder, its own databases, and processes that use them."""

import json
import os
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import find_program
from tests.integration.servers import new_database, postgres_server, redis_server

ROOT = Path(__file__).resolve().parents[2]

# What the machine that runs the tests may have set, and this project must not see.
FOREIGN = (
    "ADMINS",
    "ALLOWED_HOSTS",
    "BIND",
    "DATABASE_TYPE",
    "DATABASE_URL",
    "DEBUG",
    "DJANGO_SETTINGS_MODULE",
    "EMAIL_URL",
    "INBOX_REDIS_URL",
    "LLM_MODEL",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "PORT",
    "REDIS_URL",
    "SERVER_EMAIL",
    "TRAINING_DATA_DIR",
    "WEB_CONCURRENCY",
)

CAPTURE = """
import django
django.setup()
from capture_app import call_llm
for number in range({count}):
    print(call_llm(f"Question {{number}}", task="shop", training_metadata={{"n": number}}).example_id)
"""


@dataclass(frozen=True, slots=True)
class Project:
    """The stand-alone project, run in processes of their own on the data of one test."""

    data_dir: Path
    environment: dict[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `python ARGUMENTS` to its end, in the repository."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("manage.py", *arguments)

    def status(self) -> dict[str, Any]:
        """What `archive_status --json` says."""
        process = self.manage("archive_status", "--json")
        assert process.returncode == 0, process.stderr
        found: dict[str, Any] = json.loads(process.stdout)
        return found

    def drained(self) -> int:
        """How many examples the index has; by a look that costs no process. Only on SQLite."""
        with closing(sqlite3.connect(self.environment["DATABASE_URL"].removeprefix("sqlite:///"))) as connection:
            count: int = connection.execute("SELECT count(*) FROM capture_app_exampleindex").fetchone()[0]
            return count

    @property
    def zip_path(self) -> Path:
        return self.data_dir / "llm_training_dataset.zip"

    def capture(self, count: int) -> list[str]:
        """Make that many calls; the ids of their examples."""
        process = self.run("-c", CAPTURE.format(count=count))
        assert process.returncode == 0, process.stderr
        return process.stdout.split()


@pytest.fixture
def make_project(tmp_path: Path, data_dir: Path) -> Callable[..., Project]:
    """A project with an empty, migrated database. Give it variables of the environment."""

    def make(**variables: str) -> Project:
        inherited = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        own = {
            "DJANGO_SETTINGS_MODULE": "project_settings.settings",
            "TRAINING_DATA_DIR": str(data_dir),
            "DATABASE_URL": f"sqlite:///{tmp_path / 'django.sqlite3'}",
            "SECRET_KEY": "only-for-tests",
        }
        project = Project(data_dir, {**inherited, **own, **variables})
        migrated = project.manage("migrate", "--verbosity=0")
        assert migrated.returncode == 0, migrated.stderr
        return project

    return make


@pytest.fixture
def redis_url(needs: Callable[[str], str], tmp_path: Path) -> Iterator[str]:
    """A Redis server of this test's own; it keeps nothing."""
    with redis_server(needs, tmp_path) as url:
        yield url


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """One PostgreSQL server for all tests that want one; use `postgres_url`."""
    with postgres_server(find_program) as url:
        yield url


@pytest.fixture
def postgres_url(postgres: str) -> str:
    """An empty database of this test's own."""
    return new_database(postgres, f"test_{uuid.uuid4().hex}")
