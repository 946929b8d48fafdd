"""The admin, loaded by whoever needs it: web servers do, and a drain does not."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core.checks import CheckMessage, Tags, register


class AdminOnDemandConfig(SimpleAdminConfig):
    """Django's AdminConfig loads every app's `admin` in every process, a third of its start. Here `urls` does it."""

    def ready(self) -> None:
        register(check_dependencies, Tags.admin)
        register(check_whole_admin, Tags.admin)


def check_whole_admin(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Django's check of what is registered, once everything is: checks have no order, so `urls` may not be loaded."""
    admin.autodiscover()
    return check_admin_app(app_configs, **kwargs)
