"""Take conversations in from files."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from capture_app.progress import Progress
from capture_app.wording import counted
from training_files.actors import SHELL
from training_files.conversations.importing import ImportReport, import_conversations
from training_files.conversations.store import shown_ids
from training_files.management.training_files_command import TrainingFilesCommand, first_of


class Command(TrainingFilesCommand):
    help = (
        "Take in conversations of version 4: individual enriched files, and full training files of any size. A file "
        "that has a fault is refused, and nothing of it taken in; the others are not affected. The same content again "
        "changes nothing; other content under the same id takes the place of what was stored, and is named. Exit "
        "status 1: a file was refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "paths", nargs="+", type=Path, metavar="PATH", help="a file, or a folder: all *.json in it and below"
        )

    def call(self, progress: Progress, options: dict[str, Any]) -> ImportReport:
        return import_conversations(options["paths"], by=SHELL.name, progress=progress)

    def show(self, result: ImportReport) -> None:
        changed = len(result.changed)
        self.stdout.write(
            f"{counted(result.files, 'file')}: {counted(result.added, 'conversation')} added, {changed:,} changed, "
            f"{result.unchanged:,} as before."
        )
        for line in first_of([f"changed: {shown_ids([each])}" for each in result.changed]):
            self.stdout.write(line)

    def finish(self, result: ImportReport, options: dict[str, Any]) -> None:
        if result.refused:
            told = f"{counted(len(result.refused), 'file')} refused, and nothing taken in from there:"
            files = [_told(path, faults) for path, faults in result.refused.items()]
            raise CommandError("\n".join([told, *first_of(files)]))


def _told(path: str, faults: list[str]) -> str:
    return "\n".join([path if path.isprintable() else ascii(path), *first_of(faults, "    ")])
