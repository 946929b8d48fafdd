"""The project's settings, on data of their own."""

import tempfile
from pathlib import Path

from project_settings.settings import *  # noqa: F403  (Django's way to vary settings)

_folder = Path(tempfile.gettempdir()) / "gleaner-tests"  # each test has its own; this one is never made

SECRET_KEY = "only-for-tests"
TRAINING_CAPTURE = {"DATA_DIR": _folder / "backups", "DEFAULT_PROVIDER": "offline"}
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the real one is slow on purpose
