"""The project's settings with a model that labels conversations, and notes what it was asked."""

import os

from project_settings.settings import *  # noqa: F403  (Django's way to vary settings)
from project_settings.settings import TRAINING_CAPTURE as _USUAL
from tests.unit.training_files.conversations.labelling import labelling

TRAINING_CAPTURE = {**_USUAL, **labelling(log=os.environ["ASKED"])}
SECRET_KEY = "only-for-tests"
