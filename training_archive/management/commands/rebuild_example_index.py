"""Make the index of examples anew from the DuckDB files."""

from typing import Any

from capture_app.progress import Progress
from capture_app.wording import counted
from training_archive.management.archive_command import ArchiveCommand
from training_archive.services import rebuild_example_index


class Command(ArchiveCommand):
    help = (
        "Make the index that the admin browses anew from the ZIP, the sealed files and the live database. Captures go "
        "on meanwhile, drains wait, an archive run is refused; interrupted, the index is as it was."
    )

    def call(self, progress: Progress, options: dict[str, Any]) -> int:
        return rebuild_example_index(zip_path=options["zip_path"], progress=progress)

    def as_json(self, result: int) -> dict[str, int]:
        return {"indexed_rows": result}

    def show(self, result: int) -> None:
        self.stdout.write(f"Indexed {counted(result, 'example')}.")
