from django.apps import AppConfig


class CaptureAppConfig(AppConfig):
    name = "capture_app"
    verbose_name = "Capture"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from capture_app import checks  # noqa: F401  (importing registers the checks)
