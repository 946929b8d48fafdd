"""`python -m tests.faults.training_run_kills VERB:TRAINER ...`: a training run, killed at each of its steps in turn.

VERB is `run`, a run from its request to its model, or `cancel`, the end of one that is being trained. TRAINER is
`steps`, which trains here, or `openai`, which has a service do it. A step is a statement to the database, an act on a
file or folder, or a request to the service. For each step a process of its own is forked, which kills itself there;
then what is left goes on as a worker has it go on. Prints a JSON object: of each case how many steps there were, and
what was wrong.
"""

import json
import os
import shutil
import signal
import ssl
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import django

from tests.faults.steps import Steps
from tests.integration.finetuning_server import FinetuningServer, finetuning_server

TASK = "shop"


def acts() -> list[tuple[Any, str]]:
    """What leaves a trace outside the database."""
    import httpx2

    return [(Path, "write_bytes"), (Path, "rename"), (Path, "mkdir"), (shutil, "rmtree"), (httpx2.Client, "send")]


def main(*cases: str) -> None:
    from django.core.management import call_command

    call_command("migrate", "continuous_training", verbosity=0)
    call_command("migrate", "capture_app", verbosity=0)
    # Each client loads all certificates, for http as well.
    ssl.create_default_context = cache(ssl.create_default_context)  # type: ignore[assignment]  # it is called alike
    with finetuning_server() as service:
        print(json.dumps({case: _every_step(case, service) for case in cases}))


def _every_step(case: str, service: FinetuningServer) -> dict[str, Any]:
    from django.conf import settings
    from django.db import connection

    verb, _, trainer = case.partition(":")
    settings.CONTINUOUS_TRAINING = _loop(service, trainer)
    wrong: list[str] = []
    for step in count(1):
        _reset(service, verb)
        prepared = _prepared() if verb == "cancel" else ""
        connection.close()
        is_over = not _killed(step, lambda: _do(verb, prepared))  # noqa: B023  (called at once)
        wrong += [f"step {step}: {problem}" for problem in _problems(verb, service, trainer)]
        if is_over:
            break
    return {"steps": step, "wrong": wrong}


def _loop(service: FinetuningServer, trainer: str) -> dict[str, Any]:
    """Every wait is over at the next look."""
    options = {"base_url": service.base_url, "api_key": "k", "price": 1.0, "settle": 0.0, "first_poll": 1e-6}
    return {
        "TRAINERS": {
            "steps": {"BACKEND": "tests.unit.continuous_training.training.material.StepTrainer"},
            "openai": {
                "BACKEND": "continuous_training.training.trainers.openai_compatible.OpenAICompatibleTrainer",
                "OPTIONS": options,
            },
        },
        "DEFAULT_TRAINER": trainer,
    }


def _reset(service: FinetuningServer, verb: str) -> None:
    from capture_app.models import Spend
    from continuous_training.models import TrainedModel, TrainingRun

    for kind in (TrainedModel, TrainingRun, Spend):
        kind.objects.all().delete()
    for held in (service.files, service.jobs, service.models, service.bodies):
        held.clear()
    service.uploads = 0
    service.statuses = ("running",) if verb == "cancel" else ("succeeded",)


def _killed(step: int, act: Callable[[], Any]) -> bool:
    child = os.fork()
    if not child:
        with Steps(step).counted(*acts()):
            act()
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), status
    return status != 0


# --- What is done ----------------------------------------------------------------------------------------------------


def _do(verb: str, run_id: str) -> None:
    if verb == "cancel":
        _cancel(run_id)
    else:
        _advance(_request())


def _request(**options: Any) -> str:
    from continuous_training.training.runs import request_run
    from tests.unit.continuous_training.training.material import chat, chat_file

    path = Path(os.environ["TRAINING_DATA_DIR"]).parent / "chats.jsonl"
    data = [path if path.exists() else chat_file(path, [chat("a"), chat("b")])]
    return request_run(TASK, by="ada", data=data, options=options).pk


def _advance(run_id: str, times: int = 20) -> None:
    from continuous_training.training.devices import ACTIVE
    from continuous_training.training.runs import advance_run

    for _ in range(times):
        if advance_run(run_id).state not in ACTIVE:
            return


def _prepared() -> str:
    """A run that is being trained."""
    from continuous_training.conf import loop_settings

    options = {} if loop_settings().default_trainer == "openai" else {"waits": 1e-6}
    run_id = _request(**options)
    _advance(run_id, times=2)
    return run_id


def _cancel(run_id: str) -> None:
    from continuous_training.exceptions import TrainingRefused
    from continuous_training.training.runs import cancel_here

    with suppress(TrainingRefused):  # it is over, by a cancellation that was killed behind its end
        cancel_here(run_id, by="ada")


# --- What became of it -----------------------------------------------------------------------------------------------


def _problems(verb: str, service: FinetuningServer, trainer: str) -> list[str]:
    """What is wrong once the run went on."""
    from capture_app.models import Spend
    from continuous_training.models import TrainedModel
    from continuous_training.training.folders import run_folder
    from tests.unit.continuous_training.training.material import notes

    run = _gone_on(verb)
    is_cancelled = verb == "cancel"
    jobs = [job["status"] for job in service.jobs.values()]
    expected: dict[str, tuple[Any, Any]] = {
        "state": (run.state, "cancelled" if is_cancelled else "succeeded"),
        "models": (TrainedModel.objects.count(), 0 if is_cancelled else 1),
        "spend": (Spend.objects.count(), 0 if is_cancelled else 1),
        "data": ([path.name for path in run_folder(run.pk).glob("data")], []),
    }
    if trainer == "openai":
        expected |= {
            "jobs": (jobs, ["cancelled" if is_cancelled else "succeeded"]),
            "uploads": (service.uploads, 1),
            "files": (service.files, {}),
        }
    elif not is_cancelled:  # the one that it was at when it was killed may be done again
        steps = [each for each in notes(run_folder(run.pk)) if each.startswith("step")]
        expected["steps"] = (sorted(set(steps)), ["step 1", "step 2", "step 3"])
        expected["repeats"] = (len(steps) <= 4, True)
    return [f"{name}: {found}" for name, (found, right) in expected.items() if found != right]


def _gone_on(verb: str) -> Any:
    """The run at its end, after what a worker does who comes when the killed one was given up."""
    from continuous_training.models import TrainingRun
    from continuous_training.training.runs import resume_runs

    if not TrainingRun.objects.exists():
        assert verb == "run", "the run is gone"
        _request()  # it was killed before there was a run: who asked asks again
    TrainingRun.objects.exclude(worker="").update(heartbeat_at=datetime.now(UTC) - timedelta(minutes=3))
    run_id = TrainingRun.objects.get().pk
    if verb == "cancel":
        _cancel(run_id)
    _advance(run_id)
    resume_runs()
    return TrainingRun.objects.get()


if __name__ == "__main__":
    django.setup()
    from project_settings.celery import app  # noqa: F401  (runs are sent to its folder)

    main(*sys.argv[1:])
