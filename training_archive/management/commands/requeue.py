"""Take in again what was put aside: quarantine, withheld examples, sealed files."""

from typing import Any, ClassVar

from django.core.management.base import CommandError, CommandParser

from capture_app.exceptions import CaptureError, JobBusy
from capture_app.management.service_command import BUSY, ServiceCommand
from capture_app.progress import Progress
from capture_app.requeue import Requeued
from capture_app.wording import counted
from training_archive.exceptions import ArchiveBusy, ArchiveError
from training_archive.requeue import PLACES, NamedFiles, RequeueReport, requeue


class Command(ServiceCommand):
    errors: ClassVar[tuple[type[Exception], ...]] = (CaptureError, ArchiveError)
    tables_of: ClassVar[tuple[str, ...]] = ("capture_app", "training_archive")

    help = (
        "Take in again what was put aside, where it can be stored by now: records in quarantine, mended where they "
        "must be; withheld examples, redacted anew; databases in sealed/ under a name that archive runs overlook. The "
        "rest stays as it is. A record in quarantine may be mended by hand, in the `text` of its line. Exit status 1: "
        "something stays, or in a dry run would; 75: another run is at work."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--quarantine", action="append_const", dest="places", const="quarantine", help="only this")
        parser.add_argument("--withheld", action="append_const", dest="places", const="withheld", help="only this")
        parser.add_argument("--sealed", action="append_const", dest="places", const="sealed", help="only this")
        parser.add_argument("--dry-run", action="store_true", help="say what would be taken in, and change nothing")

    def call(self, progress: Progress, options: dict[str, Any]) -> RequeueReport:
        return requeue(places=options["places"] or PLACES, dry_run=options["dry_run"], progress=progress)

    def exit_code(self, error: Exception) -> int:
        return BUSY if isinstance(error, JobBusy | ArchiveBusy) else 1

    def show(self, result: RequeueReport) -> None:
        verb = "would be taken in" if result.dry_run else "taken in again"
        for place, found in (("Quarantine", result.quarantine), ("Withheld", result.withheld)):
            if found is not None:
                self._show_records(place, found, verb)
        if result.sealed is not None:
            self._show_files(result.sealed)
        if not result.dry_run:
            self.stdout.write(f"Drained {counted(result.drained_rows, 'example')}.")

    def finish(self, result: RequeueReport, options: dict[str, Any]) -> None:
        number = result.left.total()
        if number:
            raise CommandError(f"Of what was put aside, {number:,} could not be taken in, and stay where they are.")

    def _show_records(self, place: str, found: Requeued, verb: str) -> None:
        mended = f", {found.mended:,} of them mended" if found.mended else ""
        self.stdout.write(f"{place}: {found.requeued:,} of {counted(found.found, 'record')} {verb}{mended}.")
        for reason, number in found.left.most_common():
            self.stdout.write(f"  {number:,} stay: {reason}")

    def _show_files(self, found: NamedFiles) -> None:
        self.stdout.write(f"Sealed: {counted(len(found.named), 'file')} named, {counted(found.rows, 'example')}.")
        for old, new in found.named.items():
            self.stdout.write(f"  {old} -> {new}")
        for reason in found.left.values():
            self.stdout.write(f"  stays: {reason}")
