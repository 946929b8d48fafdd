"""The app `console`."""

from typing import Any

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class ConsoleConfig(AppConfig):
    name = "console"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from console import checks  # noqa: F401  (registers them)

        post_migrate.connect(_install_search, sender=self, dispatch_uid="console.search")
        if apps.is_installed("django_celery_beat"):
            post_migrate.connect(_install_schedule, sender=self, dispatch_uid="console.schedule")


def _install_schedule(**kwargs: Any) -> None:
    from console.figures.beat import install_schedule  # needs django-celery-beat, which is optional

    install_schedule(**kwargs)


def _install_search(**kwargs: Any) -> None:
    from console.examples.search.schema import install_search  # needs the models, which are ready by then

    install_search(**kwargs)
