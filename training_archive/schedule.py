"""What Celery beat runs, and when. The one declaration, for every way to run beat.

    CELERY_BEAT_SCHEDULE = {**BEAT_SCHEDULE}     # in the settings of a project without django-celery-beat

With django-celery-beat the same entries are put into its tables (`beat.py`), where an administrator changes them.
"""

from typing import Any, Final
from zoneinfo import ZoneInfo

from celery.schedules import crontab


class ChicagoCrontab(crontab):  # type: ignore[misc]  # Celery has no types
    """A crontab that is read in America/Chicago, whatever CELERY_TIMEZONE says, through daylight saving."""

    tz = ZoneInfo("America/Chicago")


# Minutes are given in seconds, for a crontab would pause through the hour that autumn repeats. A run that waited longer
# than its period expires: the next one does its work.
BEAT_SCHEDULE: Final[dict[str, dict[str, Any]]] = {
    "archive-training-data": {
        "task": "training_archive.archive_training_data",
        "schedule": ChicagoCrontab(hour=5, minute=0),
    },
    "drain-captures": {"task": "capture_app.drain_captures", "schedule": 60.0, "options": {"expires": 60}},
    "check-budgets": {"task": "capture_app.check_budgets", "schedule": 600.0, "options": {"expires": 600}},
    "mind-routes": {"task": "capture_app.mind_routes", "schedule": 60.0, "options": {"expires": 60}},
    "check-freshness": {"task": "training_archive.check_freshness", "schedule": 600.0, "options": {"expires": 600}},
    "move-to-cold-storage": {  # on the 1st, after the archive run; without COLD_STORAGE it does nothing
        "task": "training_archive.move_to_cold_storage",
        "schedule": ChicagoCrontab(day_of_month=1, hour=6, minute=30),
    },
}
