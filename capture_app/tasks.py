"""Celery's view of the services."""

from celery import shared_task

from capture_app import services


@shared_task(name="capture_app.drain_captures")
def drain_captures() -> None:
    services.drain_captures()
