"""What the commands of the training files share."""

from typing import ClassVar

from capture_app.exceptions import CaptureError
from capture_app.management.service_command import ServiceCommand
from training_archive.exceptions import ArchiveError


class TrainingFilesCommand(ServiceCommand):
    errors: ClassVar[tuple[type[Exception], ...]] = (CaptureError, ArchiveError)
    tables_of: ClassVar[tuple[str, ...]] = ("capture_app", "training_files")
