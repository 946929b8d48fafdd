"""Move captured calls from the inbox into the live database."""

from typing import Any

from capture_app.exceptions import JobBusy
from capture_app.management.service_command import BUSY, ServiceCommand
from capture_app.progress import Progress
from capture_app.services import DrainReport, drain_captures_alone
from capture_app.wording import counted


class Command(ServiceCommand):
    help = (
        "Move captured calls from the inbox into the live database. Celery does so each minute; any time is safe. Exit "
        "status 75: another drain is at work, and takes what there is."
    )

    def call(self, progress: Progress, options: dict[str, Any]) -> DrainReport:
        return drain_captures_alone(progress=progress)

    def exit_code(self, error: Exception) -> int:
        return BUSY if isinstance(error, JobBusy) else 1

    def show(self, result: DrainReport) -> None:
        if not result.batches:
            self.stdout.write("Nothing was drained.")
            return
        self.stdout.write(f"Drained {counted(result.rows, 'example')} in {result.seconds:.2f} s.")
        if result.quarantined:
            self.stdout.write(
                f"{counted(result.quarantined, 'record')} could not be stored, kept in quarantine/ with the reason."
            )
