"""The optional setting CONTINUOUS_TRAINING, as a typed value with its defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from capture_app.conf import capture_settings

SETTING: Final = "CONTINUOUS_TRAINING"

DEFAULTS: Final[Mapping[str, Any]] = {
    "EXPORTS_FOLDER": "exports",  # in the data directory, unless it is absolute
    "MODELS_FOLDER": "models",
    "RUNS_FOLDER": "training_runs",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """CONTINUOUS_TRAINING with its defaults; no key is required."""

    exports_folder: Path
    models_folder: Path
    runs_folder: Path


def loop_settings() -> LoopSettings:
    """CONTINUOUS_TRAINING as it stands now."""
    raw = {**DEFAULTS, **getattr(settings, SETTING, {})}
    data_dir = capture_settings().data_dir
    return LoopSettings(
        exports_folder=data_dir / raw["EXPORTS_FOLDER"],
        models_folder=data_dir / raw["MODELS_FOLDER"],
        runs_folder=data_dir / raw["RUNS_FOLDER"],
    )
