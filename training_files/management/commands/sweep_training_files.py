"""Remove what no training file and no conversation needs any more."""

from typing import Any

from capture_app.progress import Progress
from capture_app.wording import counted
from training_files.management.training_files_command import TrainingFilesCommand
from training_files.sweeping import sweep


class Command(TrainingFilesCommand):
    help = (
        "Remove from the storage the files that no training file and no conversation has named for ORPHAN_HOURS: what "
        "killed processes left, and what was removed or replaced. Besides, answers kept for Idempotency-Keys that are "
        "old, and calls by which a model was asked about a conversation while that was being forgotten. Celery's task "
        "training_files.sweep_loose_files does the same each day."
    )

    def call(self, progress: Progress, options: dict[str, Any]) -> int:
        return sweep(progress)

    def as_json(self, result: int) -> dict[str, int]:
        return {"removed": result}

    def show(self, result: int) -> None:
        self.stdout.write(f"{counted(result, 'file')} removed from the storage.")
