"""Make conversations out of captured examples."""

from argparse import ArgumentTypeError
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandParser

from capture_app.progress import Progress
from capture_app.wording import counted
from training_files.actors import SHELL
from training_files.conversations.captured import CapturedReport, conversations_from_captures
from training_files.conversations.store import shown_ids
from training_files.management.training_files_command import TrainingFilesCommand, first_of


class Command(TrainingFilesCommand):
    help = (
        "Make a conversation of the captured examples that share a conversation_id, wherever they are by now. It waits "
        "to be enriched. Answers that were cut off, and calls of tools, are part of what was said, but nothing to "
        "learn from; corrections take the place of answers. What was erased on request is not there. Run again, it "
        "takes in what has been said since."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--conversation", action="append", default=[], metavar="ID", help="only this one; may be repeated"
        )
        parser.add_argument(
            "--task", action="append", default=[], help="only those that have an example of this task; may be repeated"
        )
        parser.add_argument(
            "--since",
            type=_moment,
            metavar="TIME",
            help="only those that have an example since then: 2026-01-31, in UTC",
        )

    def call(self, progress: Progress, options: dict[str, Any]) -> CapturedReport:
        return conversations_from_captures(
            by=SHELL.name,
            conversation_ids=options["conversation"],
            tasks=options["task"],
            since=options["since"],
            progress=progress,
        )

    def as_json(self, result: CapturedReport) -> dict[str, Any]:
        return asdict(result) | {"left_out": dict(result.left_out)}

    def show(self, result: CapturedReport) -> None:
        self.stdout.write(
            f"{counted(result.added, 'conversation')} added, {len(result.changed):,} changed, "
            f"{result.unchanged:,} as before."
        )
        for line in first_of([f"changed: {shown_ids([each])}" for each in result.changed]):
            self.stdout.write(line)
        for reason, number in result.left_out.most_common():
            self.stdout.write(f"  left out: {number:,} {reason}")
        if result.forgotten:
            self.stdout.write(f"  {result.forgotten:,} erased on request meanwhile")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no time; write 2026-01-31, or 2026-01-31T12:00:00+00:00") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
