"""A real worker on the queue of training: it takes a run, is killed, and the next one brings that run to its end."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.integration.conftest import ROOT, Project
from tests.integration.finetuning_server import Fault, finetuning_server
from tests.integration.servers import wait_until
from tests.unit.continuous_training.training.material import chat, chat_file

JOB = "/v1/fine_tuning/jobs/ftjob-1"
WORKER = ("celery", "--app", "project_settings", "worker", "--queues", "training", "--concurrency", "1")

# What beat's task does each minute; a worker that was killed has been silent for long then.
RESUME = """
import json
from datetime import UTC, datetime, timedelta
import django
django.setup()
import project_settings.celery
from continuous_training.models import TrainingRun
from continuous_training.training.runs import resume_runs
TrainingRun.objects.update(heartbeat_at=datetime.now(UTC) - timedelta(minutes=3))
print(json.dumps(resume_runs()))
"""


def resume(project: Project) -> list[str]:
    """What was sent to a worker."""
    done = project.run("-c", RESUME)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


def kill_worker(project: Project, log: Path, when: Callable[[], bool]) -> None:
    """Start one, and kill it with all of its children as soon as that holds."""
    with log.open("wb") as output:
        command = [sys.executable, "-m", *WORKER]
        worker = subprocess.Popen(
            command, cwd=ROOT, env=project.environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        wait_until(when, log)
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


def test_a_run_outlives_its_worker_and_is_paid_for_once(make_project: Callable[..., Project], tmp_path: Path) -> None:
    data = chat_file(tmp_path / "chats.jsonl", [chat("a"), chat("b")])
    with finetuning_server() as service:
        service.statuses = ("running", "succeeded")
        service.faults = [Fault(f"GET {JOB}", seconds=30)]  # it hangs there until it is killed
        settings = "tests.integration.finetuning_settings"
        project = make_project(DJANGO_SETTINGS_MODULE=settings, FINETUNING_URL=service.base_url)
        asked = project.manage("finetune", "shop", "--data", str(data), "--json")
        assert asked.returncode == 0, asked.stderr
        run_id = json.loads(asked.stdout)["id"]

        assert resume(project) == [run_id]
        kill_worker(project, tmp_path / "first.log", lambda: f"GET {JOB}" in service.requests)

        assert project.rows("SELECT state FROM continuous_training_trainingrun") == [("training",)]
        assert resume(project) == [run_id]
        log = tmp_path / "second.log"
        with project.running(log, *WORKER):
            wait_until(lambda: project.rows("SELECT id FROM continuous_training_trainedmodel") == [(run_id,)], log)

    assert project.rows("SELECT state, failures FROM continuous_training_trainingrun") == [("succeeded", 1)]
    assert (len(service.jobs), service.uploads, service.files) == (1, 1, {})
