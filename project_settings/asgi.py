"""The ASGI application."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project_settings.settings")

from project_settings.celery import app as celery_app  # noqa: F401  (pages send tasks to this app's broker)

application = get_asgi_application()
