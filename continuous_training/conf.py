"""The optional setting CONTINUOUS_TRAINING, as a typed value with its defaults."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from capture_app.conf import capture_settings

SETTING: Final = "CONTINUOUS_TRAINING"

DEFAULTS: Final[Mapping[str, Any]] = {
    "EXPORTS_FOLDER": "exports",  # in the data directory, unless it is absolute
    "EXPORT": {},  # by which rules examples become pairs; see exporting.rules.RULES for its keys and their defaults
    "MEMORY": {},  # what is remembered of users, and how; see memory.settings.MEMORY for its keys and their defaults
    "REDACTION": {},  # which rules there are, and what they leave; see redaction.settings.REDACTION
    "MODELS_FOLDER": "models",
    "RUNS_FOLDER": "training_runs",
    "KEEP_ROUTED_DAYS": 90,  # `cleanup_models` keeps what a route led to in these days: somebody may roll back to it
    "REPORTS_FOLDER": "reports",  # of the monthly reports
    "INCUMBENTS": {},  # task -> model that would answer it had nothing been trained; for the savings in the report
    "TRAINERS": {  # name -> BACKEND, a Trainer's dotted path, and OPTIONS, its constructor's arguments
        "local_lora": {"BACKEND": "continuous_training.training.trainers.local_lora.LocalLoraTrainer"},
        "openai": {"BACKEND": "continuous_training.training.trainers.openai_compatible.OpenAICompatibleTrainer"},
    },
    "DEFAULT_TRAINER": "local_lora",
    "DEFAULT_BASE_MODEL": "google/gemma-3-270m-it",  # for trainers that name none of their own
    "TRAIN_TASKS": (),  # tasks for which a run is requested each week, when there are new pairs
    "EVALUATIONS_FOLDER": "evaluations",  # for reports
    "EVALUATION_CONCURRENCY": 4,  # questions to models at the same time
    "SCORERS": {},  # name -> dotted path of a Scorer, beside those that are here
    "GATE": {},  # what an evaluation must show; see promotion.thresholds.Gate for its keys and their defaults
    "WATCH": {},  # when a promoted model is rolled back by itself; see promotion.thresholds.Watch
    "GOLD_SETS": {},  # task -> path of its gold file, taken when an evaluation names none; left out of every export
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """CONTINUOUS_TRAINING with its defaults; no key is required."""

    exports_folder: Path
    export: Mapping[str, Any]
    memory: Mapping[str, Any]
    models_folder: Path
    runs_folder: Path
    keep_routed_days: float
    reports_folder: Path
    incumbents: Mapping[str, str]
    trainers: Mapping[str, Mapping[str, Any]]
    default_trainer: str
    default_base_model: str
    train_tasks: Sequence[str]
    evaluations_folder: Path
    evaluation_concurrency: int
    scorers: Mapping[str, str]
    gate: Mapping[str, Any]
    watch: Mapping[str, Any]
    gold_sets: Mapping[str, Path]


def loop_settings() -> LoopSettings:
    """CONTINUOUS_TRAINING as it stands now."""
    raw = {**DEFAULTS, **getattr(settings, SETTING, {})}
    data_dir = capture_settings().data_dir
    return LoopSettings(
        exports_folder=data_dir / raw["EXPORTS_FOLDER"],
        export=raw["EXPORT"],
        memory=raw["MEMORY"],
        models_folder=data_dir / raw["MODELS_FOLDER"],
        runs_folder=data_dir / raw["RUNS_FOLDER"],
        keep_routed_days=raw["KEEP_ROUTED_DAYS"],
        reports_folder=data_dir / raw["REPORTS_FOLDER"],
        incumbents=raw["INCUMBENTS"],
        trainers=raw["TRAINERS"],
        default_trainer=raw["DEFAULT_TRAINER"],
        default_base_model=raw["DEFAULT_BASE_MODEL"],
        train_tasks=raw["TRAIN_TASKS"],
        evaluations_folder=data_dir / raw["EVALUATIONS_FOLDER"],
        evaluation_concurrency=raw["EVALUATION_CONCURRENCY"],
        scorers=raw["SCORERS"],
        gate=raw["GATE"],
        watch=raw["WATCH"],
        gold_sets={task: Path(path) for task, path in raw["GOLD_SETS"].items()},
    )
