"""Have a model enrich conversations."""

from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import CommandError, CommandParser

from capture_app.management.service_command import BUSY
from capture_app.progress import Progress
from capture_app.wording import counted
from training_files.actors import SHELL
from training_files.conversations.enrichment.service import EnrichmentReport, enrich_conversations, enrich_pending
from training_files.conversations.store import shown_ids
from training_files.management.training_files_command import TrainingFilesCommand, first_of


class Command(TrainingFilesCommand):
    help = (
        "Ask a model for what version 4 says of a conversation: persona, arc, topic, emotions, skills, quality. The "
        "route of the task TRAINING_FILES[ENRICHMENT_TASK] says which model. Each answer is checked and kept, so a "
        "killed run goes on where it was and asks nothing twice; runs side by side share the work. Exit status 1: "
        "some failed, and the message says why; 75: the task's budget is spent, and the rest waits."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--all-pending", action="store_true", help="all that wait, and what a killed run left")
        which.add_argument(
            "--conversation", action="append", metavar="ID", help="this one, also if it failed before; may be repeated"
        )
        parser.add_argument("--failed", action="store_true", help="with --all-pending: also those that failed")
        parser.add_argument("--limit", type=_number, metavar="N", help="with --all-pending: this many at most")

    def call(self, progress: Progress, options: dict[str, Any]) -> EnrichmentReport:
        if options["conversation"]:
            return enrich_conversations(options["conversation"], by=SHELL.name, progress=progress)
        return enrich_pending(by=SHELL.name, failed=options["failed"], limit=options["limit"], progress=progress)

    def show(self, result: EnrichmentReport) -> None:
        self.stdout.write(f"{counted(result.completed, 'conversation')} enriched, {len(result.failed):,} failed.")
        for number, text in (
            (result.completed_before, "completed before"),
            (result.elsewhere, "left to another run, or changed or deleted meanwhile"),
        ):
            if number:
                self.stdout.write(f"  {number:,} {text}")

    def finish(self, result: EnrichmentReport, options: dict[str, Any]) -> None:
        if result.failed:
            lines = first_of([f"{shown_ids([each])}: {problem}" for each, problem in result.failed.items()])
            ended = "\nThe run ended there; the others wait as before." if result.stopped else ""
            raise CommandError("\n".join([f"{counted(len(result.failed), 'conversation')} failed:", *lines]) + ended)
        if result.stopped:
            raise CommandError(f"The run ended there; the others wait as before. {result.stopped}", returncode=BUSY)


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no number of conversations; write 1 or more")
    return int(text)
