"""Merge many small chunks into one for each month."""

from typing import Any

from django.core.management.base import CommandParser

from capture_app.management.service_command import BUSY
from capture_app.progress import Progress
from capture_app.wording import counted
from training_archive.exceptions import ArchiveBusy
from training_archive.management.archive_command import ArchiveCommand, human_size
from training_archive.services import MergeReport, merge_chunks


class Command(ArchiveCommand):
    help = (
        "In each ZIP, merge the chunks that were archived in one month (in UTC) into one; no example is added or lost. "
        "A ZIP is replaced only when its successor is written and read back. Exit status 75: another run is at work."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--this-month", action="store_true", help="merge what was archived in this month, too")

    def call(self, progress: Progress, options: dict[str, Any]) -> MergeReport:
        return merge_chunks(zip_path=options["zip_path"], this_month=options["this_month"], progress=progress)

    def exit_code(self, error: Exception) -> int:
        return BUSY if isinstance(error, ArchiveBusy) else 1

    def show(self, result: MergeReport) -> None:
        if not result.merged:
            self.stdout.write(
                "No ZIP has several chunks of a month that is over; nothing was changed. "
                "--this-month takes this month's, too."
            )
            return
        for merged in result.merged:
            self.stdout.write(
                f"{merged.zip_name}: {counted(len(merged.sources), 'chunk')} became {merged.chunk.chunk}.duckdb, "
                f"{counted(merged.chunk.rows, 'example')}."
            )
        before, after = human_size(result.bytes_before), human_size(result.bytes_after)
        self.stdout.write(
            f"The archive had {before} and has {after}; read back and verified in {result.seconds:.1f} s."
        )
