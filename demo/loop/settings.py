"""The project's settings, with an expert that answers, a small model that may take over, and what that has to show."""

from demo.extraction_task import TASK
from demo.loop import BASE, GOLD
from demo.loop.expert import MODEL
from project_settings.settings import *  # noqa: F403  (Django's way to vary settings)
from project_settings.settings import TRAINING_CAPTURE as PROJECT_CAPTURE

TRAINING_CAPTURE = {
    **PROJECT_CAPTURE,
    "PROVIDERS": {
        "expert": {"BACKEND": "demo.loop.expert.ExpertProvider"},
        "local": {
            "BACKEND": "capture_app.providers.local_transformers.LocalTransformersProvider",
            "OPTIONS": {"models": {"base": str(BASE)}},
        },
    },
    "DEFAULT_PROVIDER": "expert",
    "DEFAULT_MODEL": MODEL,
    "PRICES": {MODEL: {"input": 2.5, "output": 10.0}},  # USD per million tokens
}
CONTINUOUS_TRAINING = {
    "DEFAULT_BASE_MODEL": str(BASE),
    "GOLD_SETS": {TASK: str(GOLD)},
    "EVALUATION_CONCURRENCY": 1,  # or the latency of a model in this process would be that of a queue
    # The small model may be somewhat worse than the large one, because it costs nothing to ask.
    "GATE": {"MIN_GAIN": -0.10, "MIN_GAIN_LOW": -0.15, "MAX_CATEGORY_LOSS": 0.25, "MAX_LATENCY_RATIO": 3.0},
}
