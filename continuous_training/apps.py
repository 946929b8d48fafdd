from importlib.util import find_spec
from typing import Any, Final

from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import post_migrate

NEEDED: Final = ("numpy", "phonenumbers", "sacrebleu")  # by this app alone, so Gleaner has them as an extra


class ContinuousTrainingConfig(AppConfig):
    name = "continuous_training"
    verbose_name = "Continuous training"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        if missing := [name for name in NEEDED if find_spec(name) is None]:
            raise ImproperlyConfigured(
                f"continuous_training is in INSTALLED_APPS, and needs {', '.join(missing)}: pip install "
                "'gleaner[continuous-training]'."
            )
        from continuous_training import checks as settings_checks  # noqa: F401  (importing registers them)
        from continuous_training.exporting import checks as export_checks  # noqa: F401  (importing registers them)
        from continuous_training.memory import checks  # noqa: F401  (likewise)
        from continuous_training.redaction import checks as redaction_checks  # noqa: F401  (likewise)

        if apps.is_installed("django_celery_beat"):
            post_migrate.connect(_install_schedule, sender=self, dispatch_uid="continuous_training.schedule")


def _install_schedule(**kwargs: Any) -> None:
    from continuous_training.beat import install_schedule  # django-celery-beat is optional

    install_schedule(**kwargs)
