"""Celery's view of the services."""

from celery import shared_task

from training_archive import services


@shared_task(name="training_archive.archive_training_data")
def archive_training_data() -> None:
    services.archive_training_data()
