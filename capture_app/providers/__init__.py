"""Providers as backends, in Django's style: TRAINING_CAPTURE["PROVIDERS"][name] = {"BACKEND": ..., "OPTIONS": ...}."""

import os
from functools import lru_cache
from typing import Any

from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from capture_app.conf import SETTING, capture_settings
from capture_app.exceptions import CaptureConfigurationError
from capture_app.providers.base import Provider


def get_provider(name: str) -> Provider:
    """The configured provider of that name, one per process: connections do not survive a fork."""
    return _provider(name, os.getpid())


@lru_cache(maxsize=64)
def _provider(name: str, pid: int) -> Provider:
    config = capture_settings().providers.get(name)
    if config is None:
        known = ", ".join(sorted(capture_settings().providers))
        raise CaptureConfigurationError(f"There is no provider {name!r} in {SETTING}['PROVIDERS']; it has {known}.")
    provider: Provider = import_string(config["BACKEND"])(**config.get("OPTIONS", {}))
    return provider


def _forget_providers(*, setting: str, **kwargs: Any) -> None:
    if setting == SETTING:
        _provider.cache_clear()


setting_changed.connect(_forget_providers, dispatch_uid="capture_app.providers")
