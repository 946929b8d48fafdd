"""The project's settings for an archive that rolls over after a few chunks."""

import logging

from project_settings.settings import *  # noqa: F403  (Django's way to vary settings)

TRAINING_ARCHIVE = {"ROLL_BYTES": 850_000, "COMPRESSLEVEL": 1}

logging.disable()  # workers that go round and round say so in each round, and nobody reads the pipe that it goes to
