"""Hold reviewed examples of a task out, for evaluations."""

from argparse import ArgumentTypeError
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from capture_app.exceptions import CaptureError, JobBusy
from capture_app.management.service_command import BUSY, ServiceCommand
from capture_app.progress import Progress
from capture_app.wording import counted
from continuous_training.evaluation.holding_out import SEED, HoldOutReport, hold_out
from training_archive.exceptions import ArchiveError


class Command(ServiceCommand):
    errors: ClassVar[tuple[type[Exception], ...]] = (CaptureError, ArchiveError)
    tables_of: ClassVar[tuple[str, ...]] = ("capture_app", "training_archive", "continuous_training")
    help = (
        "Hold examples of a task out that people found good or corrected, and that no export has taken. Evaluations "
        "ask them, and no export ever takes them, nor what asks nearly the same. Run again, it adds what is missing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("task")
        how_many = parser.add_mutually_exclusive_group(required=True)
        how_many.add_argument("--count", type=int, help="how many of the task are to be held out in all")
        how_many.add_argument("--share", type=_share, help="which share of its reviewed examples, such as 0.1 or 10%%")
        parser.add_argument("--seed", type=int, default=SEED, help=f"decides which; default {SEED}")

    def call(self, progress: Progress, options: dict[str, Any]) -> HoldOutReport:
        return hold_out(
            options["task"], count=options["count"], share=options["share"], seed=options["seed"], progress=progress
        )

    def exit_code(self, error: Exception) -> int:
        return BUSY if isinstance(error, JobBusy) else 1

    def show(self, result: HoldOutReport) -> None:
        self.stdout.write(
            f"Held out {counted(result.new, 'example')}; {result.held_out:,} of the {result.wanted:,} that are wanted, "
            f"out of {counted(result.reviewed, 'reviewed example')} that no export has taken."
        )
        for reason, number in result.left_out.items():
            self.stdout.write(f"  not held out, {reason}: {number:,}")
        if result.held_out < result.wanted:
            self.stdout.write("Review or correct more of them, and run this again.")


def _share(text: str) -> float:
    """`0.1` or `10%`, for argparse."""
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no share; write 0.1 or 10%") from error
