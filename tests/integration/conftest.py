"""A project of its own for each test: its own folder, its own databases, and processes that use them."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# What the machine that runs the tests may have set, and this project must not see.
_FOREIGN = (
    "DATABASE_TYPE",
    "DATABASE_URL",
    "DEBUG",
    "DJANGO_SETTINGS_MODULE",
    "LLM_MODEL",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "REDIS_URL",
    "TRAINING_DATA_DIR",
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

    def capture(self, count: int) -> list[str]:
        """Make that many calls; the ids of their examples."""
        process = self.run("-c", CAPTURE.format(count=count))
        assert process.returncode == 0, process.stderr
        return process.stdout.split()


@pytest.fixture
def make_project(tmp_path: Path, data_dir: Path) -> Callable[..., Project]:
    """A project with an empty, migrated database. Give it variables of the environment."""

    def make(**variables: str) -> Project:
        inherited = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
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
