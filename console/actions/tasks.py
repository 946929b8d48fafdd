"""Celery's view of the runs."""

from celery import shared_task

from console.actions import runs


@shared_task(name=runs.TASK)
def do_action(run_id: int) -> None:
    runs.work(run_id)
