"""What a process loads before it does anything, and what it checks."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.sessions.models import Session
from django.core.checks import run_checks
from django.core.checks.registry import registry
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from capture_app.checks import TAG

ROOT = Path(__file__).resolve().parents[3]
OWN = ("capture_app", "training_archive", "training_files", "continuous_training", "console")
SLOW = (
    *("console.admin", "project_settings.urls", "rest_framework.views", "training_files.lineage"),
    *("jsonschema", "openai", "rich", "structlog"),
)

RUN_COMMAND = f"""
import sys
from django.core.management import execute_from_command_line
try:
    execute_from_command_line(["manage.py", "drain_captures", "--json"])
finally:
    print(*sorted(sys.modules.keys() & set({SLOW})))
"""

CHECK_ADMIN = """
import django
django.setup()
from django.contrib import admin
from django.core.checks import run_checks
print(len(admin.site._registry))
run_checks(tags=["admin"])
print(len(admin.site._registry))
admin.autodiscover()
print(len(admin.site._registry))
from django.contrib.admin.checks import check_admin_app
from django.core.checks.registry import registry
print(int(check_admin_app in registry.registered_checks))
"""


def python(program: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> subprocess.CompletedProcess[str]:
    """Run it with the project's settings; no table is there yet."""
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "project_settings.settings")
    monkeypatch.setenv("TRAINING_DATA_DIR", str(folder / "backups"))
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{folder / 'db.sqlite3'}")
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def broken_page() -> Iterator[None]:
    """A page of the admin that names a column which is not there."""
    admin.site.register(Session, list_display=("gone",))
    yield
    admin.site.unregister(Session)


def test_a_command_loads_no_page_and_no_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = python(RUN_COMMAND, tmp_path, monkeypatch)

    assert "not applied" in done.stderr  # so it has been through its checks, and come to the tables
    assert done.stdout.split() == []


def test_the_admin_is_loaded_by_its_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = python(CHECK_ADMIN, tmp_path, monkeypatch)

    before, checked, there_are, twice = map(int, done.stdout.split())
    assert before == 0
    assert checked == there_are > 10
    assert not twice  # Django's own check would say everything once more


@pytest.mark.usefixtures("broken_page")
@pytest.mark.parametrize("tags", [None, ["admin"]])
def test_what_is_wrong_with_a_page_is_said(tags: list[str] | None) -> None:
    assert "admin.E108" in [found.id for found in run_checks(tags=tags)]


def test_every_check_of_ours_is_run_before_a_command() -> None:
    ours = [check for check in registry.get_checks() if check.__module__.partition(".")[0] in OWN]

    assert {check.__module__ for check in ours} >= {f"{app}.checks" for app in OWN if app != "continuous_training"}
    assert [check.__module__ for check in ours if TAG not in check.tags] == []


def test_a_command_does_not_begin_with_settings_that_are_wrong(settings: Any) -> None:
    settings.TRAINING_ARCHIVE = {"ZIP": "archive.zip"}

    with pytest.raises(SystemCheckError, match=r"training_archive\.E001"):
        call_command("archive_status", skip_checks=False)
