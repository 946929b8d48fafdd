from typing import Any

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class TrainingArchiveConfig(AppConfig):
    name = "training_archive"
    verbose_name = "Archive"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from training_archive import checks, gauges  # noqa: F401  (importing registers them)

        if apps.is_installed("django_celery_beat"):
            post_migrate.connect(_install_schedule, sender=self, dispatch_uid="training_archive.schedule")


def _install_schedule(**kwargs: Any) -> None:
    from training_archive.beat import install_schedule  # django-celery-beat is optional

    install_schedule(**kwargs)
