"""Two runs of one job in two real processes: the second is refused, and nothing is lost by it."""

import subprocess
from collections.abc import Callable

import pytest

from tests.integration.conftest import ARCHIVE, Project

BUSY = 75

# A run that stops in the middle of its work until its standard input is closed.
DRAIN = """
import sys
import django
django.setup()
from capture_app.services import drain_captures_alone
def pause(*stage):
    print("at work", flush=True)
    sys.stdin.read()
drain_captures_alone(progress=pause)
"""
TASK = """
import django
django.setup()
from {app}.tasks import {task}
{task}()
"""


@pytest.fixture
def project(make_project: Callable[..., Project]) -> Project:
    return make_project()


def run_task(project: Project, app: str, task: str) -> subprocess.CompletedProcess[str]:
    return project.run("-c", TASK.format(app=app, task=task))


def test_a_drain_beside_a_drain_is_refused(project: Project) -> None:
    project.capture(3)

    with project.at_work(DRAIN) as first:
        project.capture(2)
        command = project.manage("drain_captures")
        task = run_task(project, "capture_app", "drain_captures")
        meanwhile = project.status()

    assert (first.returncode, command.returncode) == (0, BUSY)
    assert "'drain' is at work" in command.stderr
    assert task.returncode == 0, task.stderr
    assert "'drain' is at work" in task.stderr
    assert (meanwhile["live_rows"], meanwhile["inbox_rows"]) == (3, 2)
    assert project.manage("drain_captures").returncode == 0
    assert project.status()["live_rows"] == 5


def test_an_archive_run_drains_beside_a_drain(project: Project) -> None:
    project.capture(3)

    with project.at_work(DRAIN) as drain:
        project.capture(2)
        run = project.manage("archive_training_data")
        status = project.status()

    assert (drain.returncode, run.returncode) == (0, 0), run.stderr
    assert (status["inbox_rows"], status["live_rows"], status["archived_rows"]) == (0, 0, 5)


def test_an_archive_run_beside_an_archive_run_is_refused(project: Project) -> None:
    project.capture(3)

    with project.at_work(ARCHIVE) as first:
        command = project.manage("archive_training_data")
        task = run_task(project, "training_archive", "archive_training_data")
        meanwhile = project.status()["jobs"]["archive"]

    assert (first.returncode, command.returncode) == (0, BUSY)
    assert task.returncode == 0, task.stderr
    assert "is at work" in task.stderr
    assert meanwhile["state"] == "running"
    status = project.status()
    assert (status["archived_rows"], status["jobs"]["archive"]["state"]) == (3, "ok")
