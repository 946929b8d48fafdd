"""Hold a file against our JSON Schemas of version 4."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from capture_app.progress import Progress
from capture_app.wording import counted
from training_files.conversations.importing import shown_path
from training_files.management.training_files_command import TrainingFilesCommand
from training_files.v4.validation import MOST_FAULTS, Examined, examine_file


@dataclass(frozen=True, slots=True)
class Validated:
    """What the file was found to be."""

    path: Path
    examined: Examined


class Command(TrainingFilesCommand):
    help = (
        "Say whether a file is as version 4 has it: a full training file or an individual conversation (.json), or "
        f"JSON Lines (.jsonl). Each fault comes with its JSON path, the first {MOST_FAULTS} of them. Files may be "
        "larger than the memory. Exit status 1: there are faults."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path, metavar="FILE", help="*.jsonl is read as JSON Lines, all else as JSON")

    def needs_tables(self) -> bool:
        return False

    def call(self, progress: Progress, options: dict[str, Any]) -> Validated:
        progress("reading the file", 0, 0)
        return Validated(options["file"], examine_file(options["file"]))

    def as_json(self, result: Validated) -> dict[str, Any]:
        found = result.examined
        return {
            "file": shown_path(result.path),
            "kind": found.kind,
            "conversations": found.conversations,
            "pairs": found.pairs,
            "faults": [{"path": fault.path, "problem": fault.problem} for fault in found.faults],
        }

    def show(self, result: Validated) -> None:
        found = result.examined
        for fault in found.faults:
            self.stdout.write(str(fault))
        if not found.faults:
            what = f"{counted(found.conversations, 'conversation')}, {counted(found.pairs, 'pair')}"
            self.stdout.write(f"{shown_path(result.path)}: {found.kind}, {what}; no faults.")

    def finish(self, result: Validated, options: dict[str, Any]) -> None:
        if result.examined.faults:
            more = " or more" if len(result.examined.faults) >= MOST_FAULTS else ""
            raise CommandError(f"{shown_path(result.path)} has {counted(len(result.examined.faults), 'fault')}{more}.")
