"""Runs, models, evaluations, promotions and calls, as the loop would have left them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from capture_app.models import ExampleIndex
from continuous_training.conf import loop_settings
from continuous_training.models import Evaluation, Promotion, TrainedModel, TrainingRun

NOW = datetime.now(UTC)


def run_of(name: str, **values: Any) -> TrainingRun:
    facts = {"task": "shop", "trainer": "local", "base_model": "tiny", "state": "succeeded", "requested_by": "ann"}
    return TrainingRun.objects.create(id=name, **{**facts, "requested_at": NOW, **values})


def trained(name: str, *, days: float = 100, trainer: str = "local", local: bool = True, **values: Any) -> TrainedModel:
    """A model of so many days' age; a local one has a folder of 1,000 bytes."""
    folder = loop_settings().models_folder / name
    if local:
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"x" * 1000)
    facts: Mapping[str, Any] = {
        "task": "shop",
        "provider": "local" if local else "openai",
        "model": name if local else f"ft:{name}",
        "folder": str(folder) if local else "",
        "bytes": 1000 if local else 0,
        "created_at": NOW - timedelta(days=days),
    }
    return TrainedModel.objects.create(id=name, run=run_of(name, trainer=trainer), **{**facts, **values})


def evaluated(model: TrainedModel, **values: Any) -> Evaluation:
    facts = {
        "id": f"eval-{Evaluation.objects.count()}",
        "task": model.task,
        "candidate_provider": model.provider,
        "candidate_model": model.model,
        "incumbent_provider": "openai",
        "incumbent_model": "big",
        "scorer": "exact",
        "state": "done",
        "requested_by": "ann",
        "created_at": NOW,
        "finished_at": NOW,
    }
    return Evaluation.objects.create(**{**facts, **values})


def promoted(model: TrainedModel, state: str, **values: Any) -> Promotion:
    facts = {
        "task": model.task,
        "trained_model": model,
        "evaluation": values.pop("evaluation", None) or evaluated(model),
        "provider": model.provider,
        "model_name": model.model,
        "state": state,
        "proposed_by": "ann",
        "proposed_at": NOW,
    }
    return Promotion.objects.create(**{**facts, **values})


def call(at: datetime, **values: Any) -> ExampleIndex:
    """A captured call, as the index has it."""
    facts = {
        "task": "shop",
        "provider": "openai",
        "model_name": "big",
        "input_tokens": 1000,
        "output_tokens": 100,
        "latency_ms": 500,
        "cost_usd": 0.01,
        "prompt_hash": "",
        "prompt_preview": "",
        "response_preview": "",
        "generation": "g",
    }
    return ExampleIndex.objects.create(id=f"call {ExampleIndex.objects.count()}", created_at=at, **{**facts, **values})


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()
