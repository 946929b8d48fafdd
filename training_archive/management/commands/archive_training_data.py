"""Archive what has been captured: the live database becomes a verified chunk in the ZIP."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from capture_app.management.service_command import BUSY
from capture_app.progress import Progress
from capture_app.wording import counted
from training_archive.exceptions import ArchiveBusy
from training_archive.management.archive_command import ArchiveCommand, human_size
from training_archive.services import ArchiveReport, archive_training_data


class Command(ArchiveCommand):
    help = (
        "Drain the inbox, take the live database away under its lock, and append it to the ZIP as a verified chunk. "
        "Exit status 0: archived, or nothing was new; 75: another run is at work; 1: failed, and nothing is lost."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--db-path", type=Path, help="archive this DuckDB file instead; `rebuild_example_index` then shows it"
        )
        parser.add_argument(
            "--compresslevel", type=int, choices=range(1, 10), metavar="1-9", help="1 is fast, 9 is small; default 9"
        )

    def call(self, progress: Progress, options: dict[str, Any]) -> ArchiveReport:
        return archive_training_data(
            db_path=options["db_path"],
            zip_path=options["zip_path"],
            compresslevel=options["compresslevel"],
            progress=progress,
        )

    def exit_code(self, error: Exception) -> int:
        return BUSY if isinstance(error, ArchiveBusy) else 1

    def show(self, result: ArchiveReport) -> None:
        self._show_chunks(result)
        if result.shipped and result.shipped.sent:
            self.stdout.write(
                f"Shipped {', '.join(result.shipped.sent)} to the storage {result.shipped.storage!r} "
                f"({human_size(result.shipped.bytes_sent)}, {result.shipped.seconds:.1f} s)."
            )

    def _show_chunks(self, result: ArchiveReport) -> None:
        if not result.chunks:
            self.stdout.write("Nothing new to archive; the ZIP is as it was.")
            return
        for chunk in result.chunks:
            self.stdout.write(
                f"Archived {counted(chunk.rows, 'example')} as {chunk.chunk}.duckdb ({human_size(chunk.size)})."
            )
            if chunk.quarantined_lines:
                self.stdout.write(
                    f"  {counted(chunk.quarantined_lines, 'record')} could not be stored, kept in quarantine/."
                )
        size = human_size(result.zip_path.stat().st_size)
        self.stdout.write(f"{result.zip_path} now has {size}; read back and verified in {result.seconds:.1f} s.")
