"""Embedders as backends: CONTINUOUS_TRAINING["MEMORY"]["EMBEDDER"] = {"BACKEND": ..., "OPTIONS": ...}."""

import os
from functools import lru_cache
from typing import Any

from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from continuous_training.conf import SETTING
from continuous_training.memory.embedders.base import Embedder
from continuous_training.memory.settings import memory_settings


def get_embedder() -> Embedder:
    """The configured one, made once per process: connections do not survive a fork."""
    return _embedder(os.getpid())


@lru_cache(maxsize=4)
def _embedder(pid: int) -> Embedder:
    config = memory_settings().embedder
    embedder: Embedder = import_string(config["BACKEND"])(**config.get("OPTIONS", {}))
    return embedder


def _forget_embedder(*, setting: str, **kwargs: Any) -> None:
    if setting == SETTING:
        _embedder.cache_clear()


setting_changed.connect(_forget_embedder, dispatch_uid="continuous_training.memory.embedders")
