"""What Celery beat runs for the search, beside figures.schedule."""

from typing import Any, Final

SEARCH_SCHEDULE: Final[dict[str, dict[str, Any]]] = {
    "enter-examples-for-search": {"task": "console.enter_examples", "schedule": 60.0, "options": {"expires": 60}},
}
