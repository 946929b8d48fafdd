"""The Celery application of `survival`, with a folder as its broker: whoever sends tasks needs no more than this."""

from pathlib import Path
from typing import Final

from celery import Celery

ASK: Final = "benchmarks.survival_tasks.ask"


def celery_app(folder: Path) -> Celery:
    """`folder` takes the tasks that wait; it is made if missing."""
    queue, control = folder / "queue", folder / "control"
    for needed in (queue, control):
        needed.mkdir(parents=True, exist_ok=True)
    app = Celery("survival", broker="filesystem://localhost")
    app.conf.update(
        broker_transport_options={
            "data_folder_in": str(queue),
            "data_folder_out": str(queue),
            "control_folder": str(control),
        },
        broker_connection_retry_on_startup=True,
        task_ignore_result=True,
    )
    return app
