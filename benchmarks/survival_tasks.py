"""Celery's side of `survival`: a task that makes one call.

celery --app benchmarks.survival_tasks worker
"""

import os
import signal
from pathlib import Path
from typing import Any

from celery.signals import worker_process_init

from benchmarks.environment import BROKER
from benchmarks.survival_broker import ASK, celery_app
from benchmarks.survival_ways import acknowledge, way_of_environment

app = celery_app(Path(os.environ[BROKER]))

WAY = way_of_environment()


@worker_process_init.connect
def _after_fork(**kwargs: Any) -> None:
    WAY.after_fork()


@app.task(name=ASK)
def ask(number: int, last: bool) -> None:
    """Make a call. With `last`, SIGKILL ends this process as soon as the call has returned and was acknowledged."""
    acknowledge(WAY.call(f"Question {number}"))
    if last:
        os.kill(os.getpid(), signal.SIGKILL)
    WAY.finish()
