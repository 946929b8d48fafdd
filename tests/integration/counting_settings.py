"""The project, with a page that makes a call: for test_metrics.py."""

from project_settings.settings import *  # noqa: F403  (Django's way to vary settings)

ROOT_URLCONF = "tests.integration.counting_urls"
