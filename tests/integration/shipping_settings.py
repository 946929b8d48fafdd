"""The project's settings, with the bucket of a test's own S3 server to ship to and to fetch from."""

import os

from project_settings.settings import *  # noqa: F403  (Django's way to vary settings)
from tests.integration.s3_server import storage_on

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "bucket": storage_on(os.environ["S3_URL"]),
}
TRAINING_ARCHIVE = {"SHIP_TO": "bucket"}
