"""What the commands of the training files share."""

from collections.abc import Sequence
from typing import ClassVar, Final

from capture_app.exceptions import CaptureError
from capture_app.management.service_command import ServiceCommand
from training_archive.exceptions import ArchiveError

_SHOWN: Final = 20  # of a list, on the terminal; --json has all


class TrainingFilesCommand(ServiceCommand):
    errors: ClassVar[tuple[type[Exception], ...]] = (CaptureError, ArchiveError)
    tables_of: ClassVar[tuple[str, ...]] = ("capture_app", "training_files")


def first_of(told: Sequence[str], indent: str = "  ") -> list[str]:
    """The first lines of a list, and how many more there are."""
    rest = [f"and {len(told) - _SHOWN:,} more"] if len(told) > _SHOWN else []
    return [f"{indent}{each}" for each in (*told[:_SHOWN], *rest)]
