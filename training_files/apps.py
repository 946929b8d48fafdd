from importlib.util import find_spec
from typing import Any, Final

from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import post_migrate

NEEDED: Final = (
    "rest_framework",
    "drf_spectacular",
    "jsonschema",
)  # by this app alone, so Gleaner has them as an extra


class TrainingFilesConfig(AppConfig):
    name = "training_files"
    verbose_name = "Training files"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        if missing := [name for name in NEEDED if find_spec(name) is None]:
            raise ImproperlyConfigured(
                f"training_files is in INSTALLED_APPS, and needs {', '.join(missing)}: pip install "
                "'gleaner[training-files]'."
            )
        from capture_app.api_tokens import register_scope  # the models must be loaded first
        from training_files import checks  # noqa: F401  (importing registers them)
        from training_files.api.callers import SCOPES

        for scope, about in SCOPES.items():
            register_scope(scope, about)
        if apps.is_installed("django_celery_beat"):
            post_migrate.connect(_install_schedule, sender=self, dispatch_uid="training_files.schedule")


def _install_schedule(**kwargs: Any) -> None:
    from training_files.beat import install_schedule  # django-celery-beat is optional

    install_schedule(**kwargs)
