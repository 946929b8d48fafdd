"""End a training run."""

from typing import Any

from django.core.management.base import CommandParser

from capture_app.progress import Progress
from continuous_training.management.run_command import RunCommand
from continuous_training.models import TrainingRun
from continuous_training.training.runs import cancel_here

SHELL = "shell"


class Command(RunCommand):
    help = (
        "Cancel a training run. One that is queued ends at once, and so does one that a service trains, there as well; "
        "a worker that trains one on this machine stops within seconds. What was paid for already stays: a model that "
        "is finished by then is kept. Exit status 1: there is no such run, or it is over."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("run", metavar="RUN", help="its name, as `training_runs` shows it")

    def call(self, progress: Progress, options: dict[str, Any]) -> TrainingRun:
        return cancel_here(options["run"], by=SHELL)

    def show(self, result: TrainingRun) -> None:
        super().show(result)
        if not result.finished_at:
            self.stdout.write("  It was asked to stop; the worker that has it does so within seconds.")
