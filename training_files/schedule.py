"""What Celery beat runs for the training files.

    CELERY_BEAT_SCHEDULE = {**BEAT_SCHEDULE, **TRAINING_FILES_SCHEDULE}     # without django-celery-beat

With django-celery-beat the same is put into its tables (`beat.py`), where an administrator changes it.
"""

from typing import Any, Final

from training_archive.schedule import ChicagoCrontab

TRAINING_FILES_SCHEDULE: Final[dict[str, dict[str, Any]]] = {
    "resume-training-file-builds": {
        "task": "training_files.resume_builds",
        "schedule": 600.0,
        "options": {"expires": 600},
    },
    "sweep-training-files": {"task": "training_files.sweep_loose_files", "schedule": ChicagoCrontab(hour=4, minute=20)},
}
