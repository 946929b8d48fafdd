"""Move the chunks that have become old to cold storage."""

from typing import Any

from django.core.management.base import CommandParser

from capture_app.exceptions import JobBusy
from capture_app.management.service_command import BUSY, ServiceCommand
from capture_app.progress import Progress
from capture_app.wording import counted
from training_archive.cold.moving import ColdReport, move_to_cold_storage
from training_archive.exceptions import ArchiveBusy
from training_archive.management.archive_command import ArchiveCommand, days, human_size


class Command(ArchiveCommand):
    help = (
        "Move the chunks whose youngest example is older than a time to the storage that the setting COLD_STORAGE "
        "names, with the images that their examples refer to. A chunk leaves only when its copy there is verified. The "
        "index keeps its examples; `forget` and `prune_archive` reach what is there, and `fetch_archive --from-cold` "
        "brings it back. Exit status 75: another run is at work; 1: failed, and every chunk is here or there."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        ServiceCommand.add_arguments(self, parser)  # only the configured archive has a cold storage
        parser.add_argument("--older-than", type=days, required=True, metavar="AGE", help="180d, 2y; at least 1d")
        parser.add_argument("--dry-run", action="store_true", help="say what would be moved, and change nothing")

    def call(self, progress: Progress, options: dict[str, Any]) -> ColdReport:
        return move_to_cold_storage(older_than=options["older_than"], dry_run=options["dry_run"], progress=progress)

    def exit_code(self, error: Exception) -> int:
        return BUSY if isinstance(error, ArchiveBusy | JobBusy) else 1

    def show(self, result: ColdReport) -> None:
        for chunk in result.moved:
            where = f" in {chunk.part}" if chunk.part else ""
            self.stdout.write(
                f"{chunk.zip_name}: {chunk.chunk}.duckdb, {counted(chunk.rows, 'example')}, "
                f"{human_size(chunk.size)}{where}"
            )
        for name in result.too_many_blobs:
            self.stdout.write(f"{name}.duckdb stays: its examples refer to more images than a part can hold.")
        kept = f"{counted(result.kept_chunks, 'chunk')} {'stays' if result.kept_chunks == 1 else 'stay'}."
        moved = f"{counted(len(result.moved), 'chunk')} with {counted(result.rows, 'example')}"
        if not result.moved:
            self.stdout.write(f"No chunk to move is wholly from before {result.before:%Y-%m-%d %H:%M} UTC; {kept}")
        elif result.dry_run:
            self.stdout.write(f"Would move {moved} to {result.storage!r}; {kept} Nothing was changed.")
        else:
            self.stdout.write(
                f"Moved {moved} and {counted(result.blobs, 'blob')} to {result.storage!r} in {result.seconds:.1f} s; "
                f"{kept}"
            )
        if result.damaged_blobs:
            self.stdout.write(
                f"{counted(result.damaged_blobs, 'blob')} could not go along: gone here, or not what the name says."
            )
