"""Bring the copy of the archive elsewhere up to date."""

from typing import Any

from django.core.management.base import CommandParser

from capture_app.exceptions import JobBusy
from capture_app.management.service_command import BUSY
from capture_app.progress import Progress
from capture_app.wording import counted
from training_archive.management.archive_command import ArchiveCommand, human_size
from training_archive.shipping.service import ShipReport, ship_archive


class Command(ArchiveCommand):
    help = (
        "Send to the storage TRAINING_ARCHIVE['SHIP_TO'] what it lacks of the archive: ZIPs, blobs, and a manifest of "
        "both; and delete there what the archive no longer has. An interrupted run is taken up. Exit status 0: "
        "shipped, or nothing was new; 75: another run is at work; 1: failed, and the next run goes on from there."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--recheck", action="store_true", help="read back all that is there, and send again what is wrong"
        )
        parser.add_argument(
            "--allow-loss",
            action="store_true",
            help="let the copy lose chunks and blobs that are not here, though nobody merged, pruned or forgot them",
        )

    def call(self, progress: Progress, options: dict[str, Any]) -> ShipReport:
        return ship_archive(
            zip_path=options["zip_path"],
            recheck=options["recheck"],
            allow_loss=options["allow_loss"],
            progress=progress,
        )

    def exit_code(self, error: Exception) -> int:
        return BUSY if isinstance(error, JobBusy) else 1

    def show(self, result: ShipReport) -> None:
        for name in result.sent:
            self.stdout.write(f"Shipped {name}.")
        for name in result.deleted:
            self.stdout.write(f"Deleted {name} there.")
        if result.damaged_blobs:
            self.stdout.write(f"{counted(len(result.damaged_blobs), 'blob')} gone or damaged here, not shipped.")
        if result.missing_blobs:
            self.stdout.write(f"{counted(result.missing_blobs, 'blob')} missing here; the copy keeps what it has.")
        if not result.zips:
            self.stdout.write("There is no archive here.")
        self.stdout.write(
            f"{result.storage} has {counted(len(result.zips), 'ZIP')} and {counted(result.blobs, 'blob')}; "
            f"{human_size(result.bytes_sent)} sent in {result.seconds:.1f} s."
        )
