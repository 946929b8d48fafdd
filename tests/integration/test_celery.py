"""A real Celery worker, on a folder and on Redis: what was captured reaches the archive."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from tests.integration.conftest import ROOT, Project
from training_archive.reader import iter_examples
from training_archive.services import ArchiveStatus, archive_status

_PATIENCE = 60.0  # seconds; a worker needs two or three
_PAUSE = 0.1

SEND = """
from project_settings.celery import app
app.send_task({task!r})
"""


@contextmanager
def running(command: list[str], **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """A server that is asked to end, and ends."""
    process = subprocess.Popen(command, **options)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=_PATIENCE)


def wait_until(condition: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(_PAUSE)


@pytest.fixture
def redis_url(needs: Callable[[str], str], tmp_path: Path) -> Iterator[str]:
    """A Redis server of this test's own, on loopback; it keeps nothing."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = ["--bind", "127.0.0.1", "--port", str(port)]
    nothing_kept = ["--save", "", "--appendonly", "no", "--dir", str(tmp_path)]
    log = tmp_path / "redis.log"
    with running([needs("redis-server"), *address, *nothing_kept, "--logfile", str(log)]):
        with redis.Redis(port=port) as client:
            wait_until(lambda: _answers(client), log)
        yield f"redis://127.0.0.1:{port}/0"


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


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
    command = [sys.executable, "-m", "celery", "--app", "project_settings", "worker", "--concurrency", "1"]
    with (
        log.open("wb") as output,
        running(command, cwd=ROOT, env=project.environment, stdout=output, stderr=output) as worker,
    ):
        yield log
    assert worker.returncode == 0, log.read_text()


def send(project: Project, task: str) -> None:
    process = project.run("-c", SEND.format(task=task))
    assert process.returncode == 0, process.stderr


def reaches(station: Callable[[ArchiveStatus], int], rows: int) -> Callable[[], bool]:
    return lambda: station(archive_status()) == rows


def test_both_tasks_bring_captured_calls_into_the_archive(project: Project, worker_log: Path) -> None:
    ids = project.capture(5)

    send(project, "capture_app.drain_captures")
    wait_until(reaches(lambda status: status.capture.live_rows, 5), worker_log)
    send(project, "training_archive.archive_training_data")
    wait_until(reaches(lambda status: status.rows, 5), worker_log)

    assert sorted(example["id"] for example in iter_examples()) == ids
