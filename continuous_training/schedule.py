"""What Celery beat runs for the loop.

    CELERY_BEAT_SCHEDULE = {**BEAT_SCHEDULE, **CONTINUOUS_TRAINING_SCHEDULE}     # without django-celery-beat

With django-celery-beat the same is put into its tables, where an administrator changes it.
"""

from typing import Any, Final

CONTINUOUS_TRAINING_SCHEDULE: Final[dict[str, dict[str, Any]]] = {}
