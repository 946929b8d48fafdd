"""A project of its own for each test: its own folder, its own databases, and processes that use them."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import find_program
from tests.integration.servers import new_database, postgres_server, redis_server, running

ROOT = Path(__file__).resolve().parents[2]
DATABASE = "django.sqlite3"  # its file, in the project's folder

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

# For `Project.at_work`: an archive run that stops in the middle of its work.
ARCHIVE = """
import sys
import django
django.setup()
from training_archive.services import archive_training_data
def pause(stage, done, total):
    if stage == "compacting":
        print("at work", flush=True)
        sys.stdin.read()
archive_training_data(progress=pause)
"""


def clean_environment() -> dict[str, str]:
    """The variables of this process without those that a project must not see."""
    return {name: value for name, value in os.environ.items() if name not in FOREIGN}


@dataclass(frozen=True, slots=True)
class Project:
    """The stand-alone project, run in processes of their own on the data of one test."""

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

    @contextmanager
    def at_work(self, program: str) -> Iterator[subprocess.Popen[bytes]]:
        """A program that prints "at work" and then waits for the end of its input, which the end of the block is."""
        with subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"at work\n"
            yield process
            process.communicate()

    @contextmanager
    def running(self, log: Path, *module: str) -> Iterator[subprocess.Popen[bytes]]:
        """A server, `python -m MODULE`, during the block; `log` is what it says."""
        command = [sys.executable, "-m", *module]
        with (
            log.open("wb") as output,
            running(command, cwd=ROOT, env=self.environment, stdout=output, stderr=output) as process,
        ):
            yield process

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("manage.py", *arguments)

    def status(self) -> dict[str, Any]:
        """What `archive_status --json` says."""
        process = self.manage("archive_status", "--json")
        assert process.returncode == 0, process.stderr
        found: dict[str, Any] = json.loads(process.stdout)
        return found

    def drained(self) -> int:
        """How many examples the index has."""
        [(count,)] = self.rows("SELECT count(*) FROM capture_app_exampleindex")
        return int(count)

    def rows(self, query: str, *parameters: str) -> list[tuple[Any, ...]]:
        """What the database has, by a look that costs no process. Only on SQLite."""
        with closing(sqlite3.connect(self.environment["DATABASE_URL"].removeprefix("sqlite:///"))) as connection:
            return connection.execute(query, parameters).fetchall()

    @property
    def data_dir(self) -> Path:
        return Path(self.environment["TRAINING_DATA_DIR"])

    @property
    def zip_path(self) -> Path:
        return self.data_dir / "llm_training_dataset.zip"

    def capture(self, count: int) -> list[str]:
        """Make that many calls; the ids of their examples."""
        process = self.run("-c", CAPTURE.format(count=count))
        assert process.returncode == 0, process.stderr
        return process.stdout.split()


def project_in(folder: Path, **variables: str) -> Project:
    """A project whose data and SQLite file are in `folder`; `variables` replace those of its environment."""
    own = {
        "DJANGO_SETTINGS_MODULE": "project_settings.settings",
        "TRAINING_DATA_DIR": str(folder / "backups"),
        "DATABASE_URL": f"sqlite:///{folder / DATABASE}",
        "SECRET_KEY": "only-for-tests",
    }
    return Project({**clean_environment(), **own, **variables})


@pytest.fixture
def make_project(tmp_path: Path, migrated: Path) -> Callable[..., Project]:
    """A project with an empty, migrated database. Give it variables of the environment."""

    def make(**variables: str) -> Project:
        project = project_in(tmp_path, **variables)
        if "DATABASE_URL" not in variables:
            shutil.copy(migrated, tmp_path / DATABASE)
            return project
        done = project.manage("migrate", "--verbosity=0")
        assert done.returncode == 0, done.stderr
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
