"""Pull a shipped archive to this host."""

from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import CommandError, CommandParser

from capture_app.exceptions import CaptureError
from capture_app.management.service_command import BUSY, ServiceCommand
from capture_app.progress import Progress
from capture_app.wording import counted
from training_archive.exceptions import ArchiveBusy, ArchiveError
from training_archive.management.archive_command import human_size
from training_archive.shipping.fetching import FetchReport, fetch_archive


class Command(ServiceCommand):
    help = (
        "Fetch what is missing here of an archive that `ship_archive` shipped, check every byte, and look through each "
        "ZIP that is new. Needs no database, only STORAGES and a data directory. Exit status 0: here is what was "
        "shipped; 75: another run is at work; 1: failed, and the archive here is as it was, or a member is damaged."
    )
    errors: ClassVar[tuple[type[Exception], ...]] = (CaptureError, ArchiveError)
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--from", dest="source", metavar="ALIAS", help="the storage in STORAGES; default: SHIP_TO")
        parser.add_argument("--to", type=Path, metavar="DIR", help="default: where the archive is configured to be")
        parser.add_argument("--keep", action="store_true", help="leave ZIPs that are no longer in the archive")
        parser.add_argument(
            "--allow-loss",
            action="store_true",
            help="remove here what the storage has lost, though nobody merged, pruned or forgot it",
        )

    def call(self, progress: Progress, options: dict[str, Any]) -> FetchReport:
        return fetch_archive(
            source=options["source"],
            to=options["to"],
            keep=options["keep"],
            allow_loss=options["allow_loss"],
            progress=progress,
        )

    def exit_code(self, error: Exception) -> int:
        return BUSY if isinstance(error, ArchiveBusy) else 1

    def show(self, result: FetchReport) -> None:
        for verb, names in (
            ("Fetched", result.fetched),
            ("Renamed to", result.taken),
            ("Removed", result.removed),
            ("Left, though no longer in the archive,", result.left),
        ):
            for name in names:
                self.stdout.write(f"{verb} {name}.")
        self.stdout.write(
            f"{result.zip_path.parent} has {counted(len(result.zips), 'ZIP')} and {counted(result.blobs, 'blob')} as "
            f"shipped at {result.shipped_at:%Y-%m-%d %H:%M:%S} UTC; {human_size(result.bytes_received)} received in "
            f"{result.seconds:.1f} s."
        )

    def finish(self, result: FetchReport, options: dict[str, Any]) -> None:
        if result.problems:
            lines = "\n".join(f"  {problem}" for problem in result.problems)
            raise CommandError(f"{counted(len(result.problems), 'problem')}, the same where it was shipped:\n{lines}")
