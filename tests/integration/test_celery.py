"""A real Celery worker, on a folder and on Redis: what was captured reaches the archive."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import Project
from tests.integration.servers import wait_until
from training_archive.reader import iter_examples

SEND = """
from project_settings.celery import app
app.send_task({task!r})
"""


@pytest.fixture(params=["folder", "redis"])
def project(request: pytest.FixtureRequest, make_project: Callable[..., Project]) -> Project:
    """The project on either broker."""
    if request.param == "redis":
        return make_project(REDIS_URL=request.getfixturevalue("redis_url"))
    return make_project()


@pytest.fixture
def worker_log(project: Project, tmp_path: Path) -> Iterator[Path]:
    """A worker that runs during the test; what it logs."""
    log = tmp_path / "worker.log"
    with project.running(log, "celery", "--app", "project_settings", "worker", "--concurrency", "1") as worker:
        yield log
    assert worker.returncode == 0, log.read_text()


def send(project: Project, task: str) -> None:
    process = project.run("-c", SEND.format(task=task))
    assert process.returncode == 0, process.stderr


def test_both_tasks_bring_captured_calls_into_the_archive(project: Project, worker_log: Path) -> None:
    ids = project.capture(5)

    send(project, "capture_app.drain_captures")
    wait_until(lambda: project.drained() == 5, worker_log)
    send(project, "training_archive.archive_training_data")
    wait_until(lambda: project.zip_path.exists(), worker_log)

    assert sorted(example["id"] for example in iter_examples()) == ids
