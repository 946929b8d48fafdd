"""A Gleaner of its own for every fault test: data directory, Django database and environment."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATABASE = "db.sqlite3"  # its file, in the site's folder


class Site:
    """An installation in a folder, worked by processes that share nothing but its files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data_dir = folder / "backups"
        self.environment = {
            **os.environ,
            "TRAINING_DATA_DIR": str(self.data_dir),
            "DATABASE_URL": f"sqlite:///{folder / DATABASE}",
            "DJANGO_SETTINGS_MODULE": "project_settings.settings",
        }
        for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "LLM_MODEL"):
            self.environment.pop(name, None)

    def start(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        """Run `python COMMAND` in the background, in a process of its own."""
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `python COMMAND` to its end."""
        process = self.start(*command, **environment)
        out, err = process.communicate(timeout=240)
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("manage.py", *arguments)

    def manage_json(self, *arguments: str) -> Any:
        done = self.manage(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def archived_ids(self) -> list[str]:
        """The id of every row of every chunk in the ZIP, repeats included."""
        done = self.run("-m", "tests.faults.archived_ids", str(self.data_dir / "llm_training_dataset.zip"))
        assert done.returncode == 0, done.stderr
        return done.stdout.split()


@pytest.fixture
def site(tmp_path: Path, migrated: Path) -> Site:
    shutil.copy(migrated, tmp_path / DATABASE)
    return Site(tmp_path)


def stop(processes: Sequence[subprocess.Popen[str]]) -> None:
    """Kill what still runs, and reap it."""
    for process in processes:
        process.kill()
        process.communicate()
