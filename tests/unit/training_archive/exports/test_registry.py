"""Exports on a host without a database, such as one that only trains."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.training_archive.exports.material import example, manifest
from tests.unit.training_archive.material import write_archive

_SETTINGS = """
SECRET_KEY = "only for this test"
INSTALLED_APPS = ["capture_app", "training_archive"]
TRAINING_CAPTURE = {{"DATA_DIR": {data_dir!r}}}
DATABASES = {databases}
USE_TZ = True
"""
_UNMIGRATED = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
_UNREACHABLE = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "/nowhere/db.sqlite3"}}


def run_there(
    folder: Path, databases: dict[str, dict[str, str]], *arguments: str
) -> "subprocess.CompletedProcess[str]":
    """export_dataset in a project of its own in `folder`, beside the archive."""
    text = _SETTINGS.format(data_dir=str(folder / "backups"), databases=databases)
    (folder / "training_host.py").write_text(text)
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "training_host",
        "PYTHONPATH": os.pathsep.join([str(folder), *sys.path]),
    }
    command = [sys.executable, "-m", "django", "export_dataset", "--format=csv", "--out=export", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("databases", [{}, _UNMIGRATED], ids=["none", "unmigrated"])
def test_without_a_database_the_archive_is_exported_and_not_registered(
    zip_path: Path, tmp_path: Path, databases: dict[str, dict[str, str]]
) -> None:
    write_archive(zip_path, [example("a"), example("b")])

    ended = run_there(tmp_path, databases, "--from=archive", "--json")

    assert ended.returncode == 0, ended.stderr
    assert manifest(tmp_path / "export")["rows"] == 2
    assert ended.stdout.startswith("{")
    assert '"registered":false' in ended.stdout
    assert "the export is not registered" in ended.stderr


@pytest.mark.parametrize("source", ["both", "live"])
def test_without_a_database_what_is_live_cannot_be_exported(zip_path: Path, tmp_path: Path, source: str) -> None:
    write_archive(zip_path, [example("a")])

    ended = run_there(tmp_path, {}, f"--from={source}")

    assert ended.returncode == 1
    assert "export what is archived with --from archive" in ended.stderr
    assert not (tmp_path / "export").exists()


def test_a_database_that_cannot_be_reached_is_not_taken_for_none(zip_path: Path, tmp_path: Path) -> None:
    write_archive(zip_path, [example("a")])

    ended = run_there(tmp_path, _UNREACHABLE, "--from=archive")

    assert ended.returncode == 1
    assert "unable to open database file" in ended.stderr
    assert not (tmp_path / "export").exists()
