"""What Celery beat runs for the console.

    CELERY_BEAT_SCHEDULE = {**BEAT_SCHEDULE, **FIGURES_SCHEDULE}     # without django-celery-beat

With django-celery-beat the same stands in its tables (`beat.py`), where an administrator changes it.
"""

from typing import Any, Final

FIGURES_SCHEDULE: Final[dict[str, dict[str, Any]]] = {
    "refresh-figures": {"task": "console.refresh_figures", "schedule": 300.0, "options": {"expires": 300}},
}
