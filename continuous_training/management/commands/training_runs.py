"""List the training runs, or show one."""

from typing import Any

from django.core.management.base import CommandParser

from capture_app.progress import Progress
from continuous_training.management.run_command import RunCommand, line_of, run_facts
from continuous_training.models import TrainingRun
from continuous_training.training.runs import get_run


class Command(RunCommand):
    help = "List the training runs, the latest first, or show all that is known of one."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--run", metavar="RUN", default="", help="only this one, and all of it")
        parser.add_argument("--task", default="", help="only those of a task")
        parser.add_argument("--limit", type=int, default=20, metavar="N", help="how many at most; default: 20")

    def call(self, progress: Progress, options: dict[str, Any]) -> list[TrainingRun] | TrainingRun:
        if options["run"]:
            return get_run(options["run"])
        runs = TrainingRun.objects.select_related("model")
        found = runs.filter(task=options["task"]) if options["task"] else runs
        return list(found[: max(options["limit"], 0)])

    def as_json(self, result: list[TrainingRun] | TrainingRun) -> Any:
        return run_facts(result) if isinstance(result, TrainingRun) else {"runs": [run_facts(run) for run in result]}

    def show(self, result: list[TrainingRun] | TrainingRun) -> None:
        if isinstance(result, TrainingRun):
            super().show(result)
            return
        for run in result:
            self.stdout.write(line_of(run))
        if not result:
            self.stdout.write("There is no training run. `manage.py finetune TASK` asks for one.")
