"""Remove trained models that nobody will reach any more."""

from typing import Any, ClassVar

from django.core.management.base import CommandError, CommandParser

from capture_app.exceptions import JobBusy
from capture_app.management.service_command import BUSY, ServiceCommand
from capture_app.progress import Progress
from capture_app.wording import counted
from continuous_training.housekeeping.cleaning import CleanedModel, CleanupReport, cleanup_models
from training_archive.management.archive_command import days, human_size

SHELL = "shell"


class Command(ServiceCommand):
    help = (
        "Remove the trained models that are older than a time: their folders here, or the models at the service that "
        "trained them. One stays that a route leads to, or led to within KEEP_ROUTED_DAYS, that a roll back would "
        "restore, whose promotion waits for a decision, or that is being evaluated or trained further. Exit status 1: "
        "some are not wholly removed yet, and the next run goes on; 75: another run is at work."
    )
    tables_of: ClassVar[tuple[str, ...]] = ("capture_app", "continuous_training")

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--older-than", type=days, required=True, metavar="AGE", help="90d, 2y; at least 1d")
        parser.add_argument("--dry-run", action="store_true", help="say what would be removed, and change nothing")

    def call(self, progress: Progress, options: dict[str, Any]) -> CleanupReport:
        return cleanup_models(older_than=options["older_than"], by=SHELL, dry_run=options["dry_run"], progress=progress)

    def exit_code(self, error: Exception) -> int:
        return BUSY if isinstance(error, JobBusy) else 1

    def show(self, result: CleanupReport) -> None:
        verb = "Would remove" if result.dry_run else "Removed"
        for model in result.removed:
            self.stdout.write(f"{verb} {_named(model)}.")
        for model in result.kept:
            self.stdout.write(f"Kept {_named(model)}: {model.why}.")
        if not (result.removed or result.kept or result.failed):
            self.stdout.write(f"No model is from before {result.before:%Y-%m-%d %H:%M} UTC.")
        elif result.removed:
            self.stdout.write(f"{verb} {counted(len(result.removed), 'model')}, {human_size(result.bytes)}.")

    def finish(self, result: CleanupReport, options: dict[str, Any]) -> None:
        if result.failed:
            lines = "\n".join(f"  {_named(model)}: {model.why}" for model in result.failed)
            raise CommandError(
                f"{counted(len(result.failed), 'model')} could not be wholly removed. No call reaches them any more; "
                f"run this again:\n{lines}"
            )


def _named(model: CleanedModel) -> str:
    return f"{model.provider}/{model.model} ({model.task}, {model.created_at:%Y-%m-%d})"
