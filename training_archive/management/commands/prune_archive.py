"""Remove the chunks that have become too old."""

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser

from capture_app.exceptions import JobBusy
from capture_app.management.service_command import BUSY
from capture_app.progress import Progress
from capture_app.wording import counted
from training_archive.exceptions import ArchiveBusy
from training_archive.management.archive_command import ArchiveCommand, days, human_size
from training_archive.services import PruneReport, prune_archive


class Command(ArchiveCommand):
    help = (
        "Remove the chunks whose youngest example is older than a time, from the ZIPs and the index, with the images "
        "that only they refer to. Without --yes it only says what it would remove. Whole chunks only: one that also "
        "holds younger examples stays. Copies that were shipped follow with the next `ship_archive`."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--older-than", type=days, required=True, metavar="AGE", help="400d, 2y; at least 1d")
        parser.add_argument("--yes", action="store_true", help="remove them; without this nothing is changed")

    def call(self, progress: Progress, options: dict[str, Any]) -> PruneReport:
        older_than: timedelta = options["older_than"]
        return prune_archive(
            older_than=older_than, dry_run=not options["yes"], zip_path=options["zip_path"], progress=progress
        )

    def exit_code(self, error: Exception) -> int:
        return BUSY if isinstance(error, ArchiveBusy | JobBusy) else 1

    def show(self, result: PruneReport) -> None:
        for chunk in result.chunks:
            self.stdout.write(
                f"{chunk.zip_name}: {chunk.chunk}.duckdb, {counted(chunk.rows, 'example')}, {human_size(chunk.size)}, "
                f"the last from {chunk.last_created_at}"
            )
        removed = f"{counted(len(result.chunks), 'chunk')} with {counted(result.rows, 'example')}"
        kept = f"{counted(result.kept_chunks, 'chunk')} {'stays' if result.kept_chunks == 1 else 'stay'}."
        if not result.chunks:
            self.stdout.write(f"No chunk is wholly from before {result.before:%Y-%m-%d %H:%M} UTC; {kept}")
        elif result.dry_run:
            self.stdout.write(f"Would remove {removed}; {kept} Nothing was changed; add --yes to remove them.")
        else:
            self.stdout.write(f"Removed {removed} and {counted(result.blobs, 'blob')}; {kept}")
