"""Runs that are asked for on the page and done by a real Celery worker; and one that is killed for real."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import ARCHIVE, Project
from tests.integration.servers import wait_until

# Presses the button as a person would, and prints the run's number.
CLICK = """
import django
django.setup()
import console.runs.admin
import project_settings.celery
from django.contrib.auth.models import User
from django.test import Client
ada, _ = User.objects.get_or_create(username="ada", is_staff=True, is_superuser=True)
client = Client(headers={{"host": "localhost"}})
client.force_login(ada)
answer = client.post("/admin/training_archive/archiverun/start/", {{"kind": "{kind}"}})
assert answer.status_code == 302, answer.content
print(answer["Location"].split("/")[-3])
"""
# Asks as the page's script does.
PROGRESS = """
import django, sys
django.setup()
import console.runs.admin
from django.contrib.auth.models import User
from django.test import Client
client = Client(headers={{"host": "localhost"}})
client.force_login(User.objects.get(username="ada"))
print(client.get("/admin/training_archive/archiverun/{run}/progress/").content.decode())
"""
CANCEL = """
import django
django.setup()
from training_archive.runs import cancel_run
cancel_run({run})
"""
GROW_OLD = """
import django
django.setup()
from datetime import timedelta
from django.db.models import F
from training_archive.models import ArchiveRun
ArchiveRun.objects.update(seen_at=F("seen_at") - timedelta(minutes=1))
"""
RUNS = """
import django, json
django.setup()
from training_archive.models import ArchiveRun
print(json.dumps(list(ArchiveRun.objects.order_by("pk").values("state", "requested_by", "rows", "log"))))
"""


@pytest.fixture
def project(make_project: Callable[..., Project]) -> Project:
    return make_project()


def said(project: Project, script: str, **values: Any) -> str:
    process = project.run("-c", script.format(**values))
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


def is_over(project: Project, run: str) -> bool:
    [(state,)] = project.rows("SELECT state FROM training_archive_archiverun WHERE id = ?", run)
    return state not in ("queued", "running")


def progress(project: Project, run: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(said(project, PROGRESS, run=run))
    return found


def runs(project: Project) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(project.run("-c", RUNS).stdout)
    return found


def worker(project: Project, log: Path) -> AbstractContextManager[object]:
    return project.running(log, "celery", "--app", "project_settings", "worker", "--concurrency", "1")


def test_run_now_then_watch_then_verify(project: Project, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    project.capture(3)

    archive = said(project, CLICK, kind="archive")
    with worker(project, log):
        wait_until(lambda: is_over(project, archive), log)
        verification = said(project, CLICK, kind="verify")
        wait_until(lambda: is_over(project, verification), log)

    shown = progress(project, archive)
    assert (shown["state"], "compacting" in shown["log"]) == ("succeeded", True)
    assert [(run["state"], run["requested_by"], run["rows"]) for run in runs(project)] == [("succeeded", "ada", 3)] * 2


def test_a_worker_leaves_a_cancelled_run_alone(project: Project, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    project.capture(1)
    cancelled = said(project, CLICK, kind="archive")
    said(project, CANCEL, run=cancelled)

    verification = said(project, CLICK, kind="verify")  # behind it in the queue
    with worker(project, log):
        wait_until(lambda: is_over(project, verification), log)

    assert [run["state"] for run in runs(project)] == ["cancelled", "failed"]  # there is nothing to verify
    assert not project.zip_path.exists()


def test_a_killed_run_is_lost_and_the_next_one_says_so_and_finishes_it(project: Project) -> None:
    project.capture(3)
    with project.at_work(ARCHIVE) as process:
        said(project, GROW_OLD)
        project.manage("archive_training_data")  # refused: the run is alive, however long it was silent
        process.kill()
    said(project, GROW_OLD)

    next_run = project.manage("archive_training_data")

    assert next_run.returncode == 0, next_run.stderr
    killed, refused, last = runs(project)
    assert (killed["state"], refused["state"], last["state"]) == ("lost", "refused", "succeeded")
    assert "Run 1 (archive" in last["log"]
    assert last["rows"] == 3
    assert list(project.data_dir.glob(".run-*")) == []


def test_runs_are_recorded_and_asked_for_on_postgresql(make_project: Callable[..., Project], postgres_url: str) -> None:
    project = make_project(DATABASE_URL=postgres_url)
    project.capture(2)

    done = project.manage("archive_training_data")
    queued = said(project, CLICK, kind="verify")
    said(project, CANCEL, run=queued)

    assert done.returncode == 0, done.stderr
    assert [(run["state"], run["rows"]) for run in runs(project)] == [("succeeded", 2), ("cancelled", None)]
