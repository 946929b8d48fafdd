"""What Celery beat runs for the loop.

    CELERY_BEAT_SCHEDULE = {**BEAT_SCHEDULE, **CONTINUOUS_TRAINING_SCHEDULE}     # without django-celery-beat

With django-celery-beat the same is put into its tables, where an administrator changes it.
"""

from typing import Any, Final

from training_archive.schedule import ChicagoCrontab

CONTINUOUS_TRAINING_SCHEDULE: Final[dict[str, dict[str, Any]]] = {
    # 02:00 in America/Chicago. In spring that hour is left out once: the next night's run takes what this one did not.
    "export-finetune": {"task": "continuous_training.export_finetune", "schedule": ChicagoCrontab(hour=2, minute=0)},
    "resume-training-runs": {"task": "continuous_training.resume_runs", "schedule": 60.0, "options": {"expires": 60}},
    "request-weekly-training-runs": {  # of the tasks in TRAIN_TASKS, after the night's export
        "task": "continuous_training.request_weekly_runs",
        "schedule": ChicagoCrontab(day_of_week="sunday", hour=3, minute=0),
    },
    "watch-promotions": {
        "task": "continuous_training.watch_promotions",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "update-memories": {"task": "continuous_training.update_memories", "schedule": 600.0, "options": {"expires": 600}},
    "monthly-report": {  # of the month of UTC that is over by then, the days' last calls being drained
        "task": "continuous_training.monthly_report",
        "schedule": ChicagoCrontab(day_of_month=1, hour=4, minute=0),
    },
}
