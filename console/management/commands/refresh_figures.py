"""Bring the dashboard's figures up to date."""

from typing import Any

from capture_app.exceptions import JobBusy
from capture_app.management.service_command import BUSY, ServiceCommand
from capture_app.progress import Progress
from capture_app.wording import counted
from console.figures.refresh import RefreshReport, refresh_figures


class Command(ServiceCommand):
    help = (
        "Bring the dashboard's figures up to date: count each day of the last year anew whose examples changed. Celery "
        "does so every five minutes; any time is safe. Exit status 75: another refresh is at work."
    )

    def call(self, progress: Progress, options: dict[str, Any]) -> RefreshReport:
        return refresh_figures(progress=progress)

    def exit_code(self, error: Exception) -> int:
        return BUSY if isinstance(error, JobBusy) else 1

    def show(self, result: RefreshReport) -> None:
        days, examples = counted(result.days, "day"), counted(result.examples, "example")
        self.stdout.write(f"Counted {days} with {examples} in {result.seconds:.2f} s.")
