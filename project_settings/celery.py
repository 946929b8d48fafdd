"""The Celery application and its schedule.

    celery --app project_settings worker --beat

The broker is a folder unless REDIS_URL is set, so that one host needs no server; run exactly one beat.
"""

import os
from pathlib import Path

from celery import Celery
from celery.schedules import crontab
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project_settings.settings")

app = Celery("gleaner")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# Times are read in CELERY_TIMEZONE, America/Chicago.
app.conf.beat_schedule = {
    "archive-training-data": {"task": "training_archive.archive_training_data", "schedule": crontab(hour=5, minute=0)},
    # In seconds, for a crontab would pause through the hour that autumn repeats. A drain that waited longer than its
    # minute is superseded by the next one.
    "drain-captures": {"task": "capture_app.drain_captures", "schedule": 60.0, "options": {"expires": 60}},
}


def make_broker_folders() -> None:
    """The filesystem broker expects its folders to be there."""
    for folder in (settings.CELERY_FOLDER, *settings.CELERY_BROKER_TRANSPORT_OPTIONS.values()):
        Path(str(folder)).mkdir(parents=True, exist_ok=True)


make_broker_folders()
