from django.apps import AppConfig


class TrainingArchiveConfig(AppConfig):
    name = "training_archive"
    verbose_name = "Archive"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from training_archive import checks  # noqa: F401  (importing registers the checks)
