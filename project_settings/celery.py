"""The Celery application.

    celery --app project_settings worker
    celery --app project_settings beat

The broker is a folder unless REDIS_URL is set, so that one host needs no server; run exactly one beat. What it runs is
in the database; `training_archive/schedule.py` is what stands there at first.
"""

import os
from logging.config import dictConfig
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project_settings.settings")

app = Celery("gleaner")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def log_as_django_does(**kwargs: Any) -> None:
    """That somebody listens keeps Celery from putting handlers of its own on the root logger."""
    dictConfig(settings.LOGGING)


def make_broker_folders() -> None:
    """The filesystem broker expects its folders to be there."""
    for folder in (settings.CELERY_FOLDER, *settings.CELERY_BROKER_TRANSPORT_OPTIONS.values()):
        Path(str(folder)).mkdir(parents=True, exist_ok=True)


make_broker_folders()
