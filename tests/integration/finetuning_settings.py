"""The project's settings, with a test's own service that fine-tunes."""

import os

from project_settings.settings import *  # noqa: F403  (Django's way to vary settings)

CONTINUOUS_TRAINING = {
    "TRAINERS": {
        "openai": {
            "BACKEND": "continuous_training.training.trainers.openai_compatible.OpenAICompatibleTrainer",
            # A wait of no time is none: one task brings a run to its end.
            "OPTIONS": {"base_url": os.environ["FINETUNING_URL"], "api_key": "k", "settle": 0, "first_poll": 0},
        }
    },
    "DEFAULT_TRAINER": "openai",
}
