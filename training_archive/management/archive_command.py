"""What the archive's commands share."""

import re
from argparse import ArgumentTypeError
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from django.core.management.base import CommandParser

from capture_app.exceptions import CaptureError
from capture_app.management.service_command import ServiceCommand
from training_archive.exceptions import ArchiveError

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class ArchiveCommand(ServiceCommand):
    errors: ClassVar[tuple[type[Exception], ...]] = (CaptureError, ArchiveError)
    tables_of: ClassVar[tuple[str, ...]] = ("capture_app", "training_archive")

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--zip-path", type=Path, help="the archive; default: TRAINING_ARCHIVE's, beside the live database"
        )


def human_size(size: float) -> str:
    """`size` in bytes as people say it, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def age(text: str) -> timedelta:
    """`90m`, `26h` or `2d`, for argparse."""
    found = re.fullmatch(r"(\d{1,6})([mhd])", text)
    if not found:
        raise ArgumentTypeError(f"{text!r} is no age; write 90m, 26h or 2d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def days(text: str) -> timedelta:
    """`400d` or `2y`, for argparse: what is kept for years is not told in minutes, and an `m` might mean months."""
    found = re.fullmatch(r"([1-9]\d{0,5})([dy])", text)
    if not found:
        raise ArgumentTypeError(f"{text!r} is no such age; write 400d or 2y, at least 1d")
    return timedelta(days=int(found[1]) * (365 if found[2] == "y" else 1))
