"""Trainers as backends, in Django's style: CONTINUOUS_TRAINING["TRAINERS"][name] = {"BACKEND": ..., "OPTIONS": ...}."""

from collections.abc import Mapping
from typing import Any

from django.utils.module_loading import import_string

from continuous_training.conf import SETTING, loop_settings
from continuous_training.exceptions import LoopError
from continuous_training.training.trainers.base import Trainer


def trainer_named(name: str) -> Trainer:
    """Raises LoopError when there is none of that name, or when it cannot be made from its settings."""
    config = loop_settings().trainers.get(name)
    if config is None:
        raise LoopError(
            f"There is no trainer {name!r}. Nothing was changed. {SETTING}['TRAINERS'] has "
            f"{', '.join(sorted(loop_settings().trainers))}."
        )
    return _made(name, config)


def _made(name: str, config: Mapping[str, Any]) -> Trainer:
    try:
        trainer = import_string(config["BACKEND"])(**config.get("OPTIONS", {}))
        if not isinstance(trainer, Trainer):
            raise TypeError(f"{config['BACKEND']} is no Trainer")
    except (ImportError, KeyError, TypeError, ValueError) as error:
        raise LoopError(
            f"The trainer {name!r} cannot be made ({type(error).__name__}: {error}). Nothing was changed; mend "
            f"{SETTING}['TRAINERS'], and run `manage.py check`."
        ) from error
    return trainer
