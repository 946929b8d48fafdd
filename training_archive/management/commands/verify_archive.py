"""Read the whole archive and say whether it is sound."""

from typing import Any

from django.core.management.base import CommandError

from capture_app.progress import Progress
from capture_app.wording import counted
from training_archive.management.archive_command import ArchiveCommand
from training_archive.services import VerifyReport, verify_archive


class Command(ArchiveCommand):
    help = (
        "Read every member of the ZIP: CRC, size, SHA-256, sidecar, and whether DuckDB opens it and finds its rows. "
        "Exit status 1 when something is damaged, with the name of each damaged member."
    )

    def call(self, progress: Progress, options: dict[str, Any]) -> VerifyReport:
        return verify_archive(zip_path=options["zip_path"], progress=progress)

    def show(self, result: VerifyReport) -> None:
        rows = sum(chunk.rows for chunk in result.chunks)
        others = f" and {counted(len(result.zips) - 1, 'dated ZIP')}" if len(result.zips) > 1 else ""
        self.stdout.write(
            f"{result.zip_path}{others}: {counted(len(result.chunks), 'sound chunk')}, {counted(rows, 'example')}."
        )

    def finish(self, result: VerifyReport, options: dict[str, Any]) -> None:
        if result.problems:
            lines = "\n".join(f"  {problem}" for problem in result.problems)
            raise CommandError(f"{counted(len(result.problems), 'problem')}; nothing was changed:\n{lines}")
