"""Remove from the storage what no training file and no conversation names any more."""

from typing import Any

from capture_app.progress import Progress
from capture_app.wording import counted
from training_files.management.training_files_command import TrainingFilesCommand
from training_files.storage import sweep_loose_files


class Command(TrainingFilesCommand):
    help = (
        "Remove from the storage the files that no training file and no conversation has named for ORPHAN_HOURS: what "
        "killed processes left, and what was removed or replaced. Celery's task training_files.sweep_loose_files does "
        "the same each day."
    )

    def call(self, progress: Progress, options: dict[str, Any]) -> int:
        return sweep_loose_files(progress)

    def as_json(self, result: int) -> dict[str, int]:
        return {"removed": result}

    def show(self, result: int) -> None:
        self.stdout.write(f"{counted(result, 'file')} removed from the storage.")
