"""Make a training file and write it to a folder."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from capture_app.management.service_command import BUSY
from capture_app.progress import Progress
from capture_app.wording import counted
from training_archive.management.archive_command import human_size
from training_files.exceptions import BuildStopped
from training_files.management.training_files_command import TrainingFilesCommand
from training_files.saving import Saved, build_and_save


class Command(TrainingFilesCommand):
    help = (
        "Make a training file of these conversations, and write it to a folder as NAME.json and NAME.jsonl. Run again "
        "after a kill it goes on where it was. A training file of that name that holds just these conversations is "
        "only written; one that holds others is refused. Exit status 75: another run has taken the work over. 1: the "
        "message says what was wrong and what to do."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="NAME", help="of the training file, 1 to 255 characters")
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--all", action="store_true", help="every conversation whose enrichment is completed")
        which.add_argument(
            "--conversation",
            action="append",
            metavar="ID",
            help="one by its id; may be repeated, and their order is that of the file",
        )
        parser.add_argument(
            "--output", type=Path, required=True, metavar="DIR", help="the folder to write to; made if need be"
        )

    def call(self, progress: Progress, options: dict[str, Any]) -> Saved:
        ids = None if options["all"] else options["conversation"]
        return build_and_save(options["name"], conversation_ids=ids, folder=options["output"], progress=progress)

    def exit_code(self, error: Exception) -> int:
        return BUSY if isinstance(error, BuildStopped) else 1

    def as_json(self, result: Saved) -> dict[str, Any]:
        return {
            "training_file": str(result.training_file),
            "name": result.name,
            "version": result.version,
            "conversations": result.conversations,
            "pairs": result.pairs,
            "left_out": result.left_out,
            "files": {each: {"path": str(path), "bytes": result.bytes[each]} for each, path in result.paths.items()},
        }

    def show(self, result: Saved) -> None:
        what = f"{counted(result.conversations, 'conversation')}, {counted(result.pairs, 'pair')}"
        self.stdout.write(f"{result.name}, version {result.version}: {what}")
        if result.left_out:
            self.stdout.write(f"  {result.left_out}")
        for each, path in result.paths.items():
            self.stdout.write(f"  {path}  {human_size(result.bytes[each])}")
