"""Move captured calls from the inbox into the live database."""

from typing import Any

from capture_app.management.service_command import ServiceCommand, counted
from capture_app.progress import Progress
from capture_app.services import DrainReport, drain_captures


class Command(ServiceCommand):
    help = "Move captured calls from the inbox into the live database. Celery does so each minute; any time is safe."

    def call(self, progress: Progress, options: dict[str, Any]) -> DrainReport:
        return drain_captures(progress=progress)

    def show(self, result: DrainReport) -> None:
        if not result.batches:
            self.stdout.write("The inbox is empty: nothing to drain.")
            return
        self.stdout.write(f"Drained {counted(result.rows, 'example')} in {result.seconds:.2f} s.")
        if result.quarantined:
            self.stdout.write(
                f"{counted(result.quarantined, 'record')} could not be stored, kept in quarantine/ with the reason."
            )
