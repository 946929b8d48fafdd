"""What the commands around training runs share."""

from collections.abc import Mapping
from typing import Any, ClassVar

from capture_app.management.service_command import ServiceCommand
from capture_app.wording import counted
from continuous_training.models import TrainingRun

_SHOWN: tuple[str, ...] = (
    *("task", "trainer", "base_model", "state", "data", "options", "progress", "metrics", "cost_usd"),
    *("requested_by", "requested_at", "started_at", "finished_at", "next_at", "cancel_requested_at", "problem"),
)


class RunCommand(ServiceCommand):
    tables_of: ClassVar[tuple[str, ...]] = ("capture_app", "continuous_training")

    def as_json(self, result: TrainingRun) -> dict[str, Any]:
        return run_facts(result)

    def show(self, result: TrainingRun) -> None:
        self.stdout.write(line_of(result))
        facts = run_facts(result)
        if facts["model"]:
            self.stdout.write(f"  {facts['model']['provider']}/{facts['model']['model']}")
        for each in result.data["files"]:
            self.stdout.write(f"  {each['name']}: {counted(each['pairs'], 'pair')}, SHA-256 {each['sha256'][:16]}...")
        for name, value in _said(result.metrics).items():
            self.stdout.write(f"  {name}: {value}")
        if result.problem:
            self.stdout.write(f"  {result.problem}")


def run_facts(run: TrainingRun) -> dict[str, Any]:
    """A run as JSON."""
    model = getattr(run, "model", None)
    told = {"id": run.pk, **{name: getattr(run, name) for name in _SHOWN}}
    return {**told, "model": {"provider": model.provider, "model": model.model} if model else None}


def line_of(run: TrainingRun) -> str:
    """A run in one line."""
    step, steps = run.progress.get("step"), run.progress.get("steps")
    how_far = f", step {step:,} of {steps:,}" if steps and run.state == TrainingRun.State.TRAINING else ""
    cost = "" if run.cost_usd is None else f", {run.cost_usd:,.2f} USD"
    pairs = counted(run.data.get("pairs", 0), "pair")
    return f"{run.pk}  {run.state}{how_far}  {run.trainer}, {run.base_model}, {pairs}{cost}"


def _said(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metrics.items() if isinstance(value, int | float | str)}
