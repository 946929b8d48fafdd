"""Ask for a training run."""

from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import CommandError, CommandParser

from capture_app.management.service_command import INTERRUPTED
from capture_app.progress import Progress
from continuous_training.management.run_command import RunCommand
from continuous_training.models import TrainingRun
from continuous_training.training.runs import follow_run, get_run, request_run

SHELL = "shell"


class Command(RunCommand):
    help = (
        "Fine-tune a model on a task's export, or on files of chats. The files are checked line by line and copied; "
        "then a worker trains, within a minute, or with --wait this command. Ctrl-C leaves the run to go on later; "
        "`cancel_training` ends it. Exit status 1: the run was refused, failed or was cancelled; 130: Ctrl-C."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("task", nargs="?", metavar="TASK", help="the task that the model is to answer")
        which.add_argument("--resume", metavar="RUN", help="do, in this process, what is left of a run")
        parser.add_argument("--trainer", default="", help="a key of TRAINERS; default: DEFAULT_TRAINER")
        parser.add_argument(
            "--base-model",
            default="",
            metavar="MODEL",
            help="what is fine-tuned; default: the trainer's, or the setting's",
        )
        parser.add_argument(
            "--data", type=Path, action="append", default=[], metavar="FILE", help="chat JSONL; may be repeated"
        )
        parser.add_argument(
            "--option",
            type=_option,
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="of the trainer, such as n_epochs=2; the value is JSON, or else a text; may be repeated",
        )
        parser.add_argument("--wait", action="store_true", help="do it in this process, and end with it")

    def call(self, progress: Progress, options: dict[str, Any]) -> TrainingRun:
        if options["resume"]:
            return _followed(get_run(options["resume"]), progress)
        run = request_run(
            options["task"],
            by=SHELL,
            trainer=options["trainer"],
            base_model=options["base_model"],
            data=options["data"],
            options=dict(options["option"]),
            progress=progress,
        )
        if options["wait"]:
            return _followed(run, progress)
        return run

    def show(self, result: TrainingRun) -> None:
        super().show(result)
        if result.state == TrainingRun.State.QUEUED:
            self.stdout.write(
                f"  A worker takes it within a minute. Without one: `manage.py finetune --resume {result.pk}`."
            )

    def finish(self, result: TrainingRun, options: dict[str, Any]) -> None:
        if result.state in (TrainingRun.State.FAILED, TrainingRun.State.CANCELLED):
            raise CommandError(f"The training run {result.pk} is {result.state}. {result.problem}".rstrip())


def _followed(run: TrainingRun, progress: Progress) -> TrainingRun:
    try:
        return follow_run(run.pk, progress=progress)
    except KeyboardInterrupt as error:
        raise CommandError(
            f"Interrupted. The training run {run.pk} is kept, and goes on where it was: a worker takes it within a "
            f"minute, if one runs, or `manage.py finetune --resume {run.pk}` does it here. "
            f"`manage.py cancel_training {run.pk}` ends it.",
            returncode=INTERRUPTED,
        ) from error


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ArgumentTypeError(f"{text!r} is no option; write NAME=VALUE")
    try:
        return name, orjson.loads(value)
    except orjson.JSONDecodeError:
        return name, value
