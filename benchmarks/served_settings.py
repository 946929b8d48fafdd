"""The project's own settings for the processes of `survival` and `load`, with a provider that waits as a model does."""

import os

from benchmarks.environment import LATENCY as _LATENCY
from project_settings.settings import *  # noqa: F403  (Django's way to vary settings)
from project_settings.settings import TRAINING_CAPTURE as _CAPTURE

_OPTIONS = {"latency": float(os.environ[_LATENCY])}  # seconds

TRAINING_CAPTURE = {
    **_CAPTURE,
    "PROVIDERS": {"paced": {"BACKEND": "benchmarks.paced.PacedProvider", "OPTIONS": _OPTIONS}},
    "DEFAULT_PROVIDER": "paced",
    "DEFAULT_MODEL": "paced-model",
}
