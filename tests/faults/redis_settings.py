"""The project's settings with the inbox of several hosts, on the Redis that INBOX_REDIS_URL names."""

import logging
import os

from project_settings.settings import *  # noqa: F403  (Django's way to vary settings)
from project_settings.settings import TRAINING_CAPTURE as _SPOOLING

TRAINING_CAPTURE = {
    **_SPOOLING,
    "INBOX": "capture_app.inbox.redis_stream.RedisStreamInbox",
    "REDIS_URL": os.environ["INBOX_REDIS_URL"],
}

logging.disable()  # a drain that goes round and round warns in each round, and nobody reads the pipe that it writes to
