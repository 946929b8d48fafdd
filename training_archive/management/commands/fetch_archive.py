"""Pull a shipped archive to this host, or what is in cold storage back."""

import re
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import CommandError, CommandParser

from capture_app.exceptions import CaptureError
from capture_app.management.service_command import BUSY, ServiceCommand
from capture_app.progress import Progress
from capture_app.wording import counted
from training_archive.cold.returning import ReturnReport, fetch_from_cold
from training_archive.exceptions import ArchiveBusy, ArchiveError
from training_archive.management.archive_command import human_size
from training_archive.shipping.fetching import FetchReport, fetch_archive


class Command(ServiceCommand):
    help = (
        "Fetch what is missing here of an archive that `ship_archive` shipped, check every byte, and look through each "
        "ZIP that is new. Needs no database, only STORAGES and a data directory. Exit status 0: here is what was "
        "shipped; 75: another run is at work; 1: failed, and the archive here is as it was, or a member is damaged. "
        "With --from-cold it brings chunks back that `move_to_cold_storage` took away, which does need the database; "
        "or it copies them into a folder with --to, which does not."
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

        parser.add_argument("--from-cold", action="store_true", help="fetch from cold storage: all of it, or --month")
        parser.add_argument(
            "--month", action="append", type=_month, default=[], help="with --from-cold: 2026-03; may be repeated"
        )

    def call(self, progress: Progress, options: dict[str, Any]) -> FetchReport | ReturnReport:
        _refuse_odd_options(options)
        if options["from_cold"]:
            return fetch_from_cold(months=options["month"], to=options["to"], progress=progress)
        return fetch_archive(
            source=options["source"],
            to=options["to"],
            keep=options["keep"],
            allow_loss=options["allow_loss"],
            progress=progress,
        )

    def exit_code(self, error: Exception) -> int:
        return BUSY if isinstance(error, ArchiveBusy) else 1

    def show(self, result: FetchReport | ReturnReport) -> None:
        if isinstance(result, ReturnReport):
            self._show_returned(result)
        else:
            self._show_fetched(result)

    def _show_returned(self, result: ReturnReport) -> None:
        for part, name in zip(result.parts, result.zips, strict=True):
            self.stdout.write(f"{part} is {name}.")
        for part in result.here_before:
            self.stdout.write(f"{part} was here before.")
        self.stdout.write(
            f"{result.zip_path.parent} has {counted(result.chunks, 'chunk')} more with "
            f"{counted(result.rows, 'example')}, and {counted(result.blobs, 'blob')}; "
            f"{human_size(result.bytes_received)} received in {result.seconds:.1f} s."
        )
        if not result.is_copy and result.parts:
            self.stdout.write("The next `move_to_cold_storage` takes them there again.")

    def _show_fetched(self, result: FetchReport) -> None:
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

    def finish(self, result: FetchReport | ReturnReport, options: dict[str, Any]) -> None:
        if isinstance(result, FetchReport) and result.problems:
            lines = "\n".join(f"  {problem}" for problem in result.problems)
            raise CommandError(f"{counted(len(result.problems), 'problem')}, the same where it was shipped:\n{lines}")


def _refuse_odd_options(options: dict[str, Any]) -> None:
    if options["from_cold"] and (options["source"] or options["keep"] or options["allow_loss"]):
        raise CommandError("--from-cold goes with --to and --month, and with nothing else. Nothing was fetched.")
    if options["month"] and not options["from_cold"]:
        raise CommandError("--month goes with --from-cold. Nothing was fetched.")


def _month(text: str) -> str:
    """`2026-03`, as parts have it in their names."""
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text, re.ASCII):
        raise ArgumentTypeError(f"{text!r} is no month; write 2026-03")
    return text.replace("-", "")
