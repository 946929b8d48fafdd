"""Remember what users said, for call_llm(memory=...)."""

from argparse import ArgumentTypeError
from typing import Any, ClassVar

from django.core.management.base import CommandError, CommandParser

from capture_app.exceptions import CaptureError, JobBusy
from capture_app.management.service_command import BUSY, ServiceCommand
from capture_app.progress import Progress
from capture_app.wording import counted
from continuous_training.memory.updating import MemoryReport, update_memories
from training_archive.exceptions import ArchiveError


class Command(ServiceCommand):
    help = (
        "Summarise and embed the exchanges of users that were drained since the last run, so that call_llm(memory=...) "
        "can recall them. Beat does the same every ten minutes while TRAINING_CAPTURE[MEMORY] is set. A killed run is "
        "gone on with by the next. Exit status 75: another run is at work; 1: the run ended early, and says why."
    )
    errors: ClassVar[tuple[type[Exception], ...]] = (CaptureError, ArchiveError)
    tables_of: ClassVar[tuple[str, ...]] = ("capture_app", "training_archive", "continuous_training")

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--limit", type=_number, metavar="N", help="look at this many examples at most")

    def call(self, progress: Progress, options: dict[str, Any]) -> MemoryReport:
        return update_memories(limit=options["limit"], progress=progress)

    def exit_code(self, error: Exception) -> int:
        return BUSY if isinstance(error, JobBusy) else 1

    def show(self, result: MemoryReport) -> None:
        self.stdout.write(f"{counted(result.remembered, 'exchange')} remembered.")
        for number, text in (
            (result.passed_over, "had nothing to remember"),
            (result.failed, "left to the next run: the model could not be asked"),
            (result.embedded_anew, "embedded anew"),
            (result.dropped, "dropped, for they are older than DAYS"),
            (result.forgotten, "erased, for they repeat what was forgotten"),
        ):
            if number:
                self.stdout.write(f"  {number:,} {text}")

    def finish(self, result: MemoryReport, options: dict[str, Any]) -> None:
        if result.stopped:
            raise CommandError(f"The run ended early; the others wait. {result.stopped}")


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no number of examples; write 1 or more")
    return int(text)
