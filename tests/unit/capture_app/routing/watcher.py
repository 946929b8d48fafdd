"""A process that calls and calls, and says each time another model answers, until the given one does."""

import sys
import time

import django
from django.conf import settings

settings.configure(
    INSTALLED_APPS=["capture_app"], TRAINING_CAPTURE={"DATA_DIR": sys.argv[1], "DEFAULT_PROVIDER": "offline"}
)
django.setup()

from capture_app import call_llm  # noqa: E402  (the apps must be set up first)

last = ""
deadline = time.monotonic() + 60
while last != sys.argv[2] and time.monotonic() < deadline:
    model = call_llm("How much?", task="shop").model
    if model != last:
        print(model, flush=True)
        last = model
    time.sleep(0.02)
