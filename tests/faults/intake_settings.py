"""The project's settings with small segments, and a redactor that works by now."""

from project_settings.settings import *  # noqa: F403  (Django's way to vary settings)
from project_settings.settings import TRAINING_CAPTURE as _USUAL

TRAINING_CAPTURE = {
    **_USUAL,
    "SEGMENT_BYTES": 4096,
    "REDACT": "tests.unit.capture_app.redactors.everywhere",
}
SECRET_KEY = "only-for-tests"
