"""Say what is where, from the inbox to the ZIP."""

import re
from argparse import ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser

from capture_app.management.service_command import counted
from capture_app.progress import Progress
from training_archive.management.archive_command import ArchiveCommand, human_size
from training_archive.services import ArchiveStatus, archive_status

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def age(text: str) -> timedelta:
    """`90m`, `26h` or `2d`, for argparse."""
    found = re.fullmatch(r"(\d{1,6})([mhd])", text)
    if not found:
        raise ArgumentTypeError(f"{text!r} is no age; write 90m, 26h or 2d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


class Command(ArchiveCommand):
    help = "Show rows and bytes in the inbox, the live database, the sealed folder and the ZIP."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--max-age",
            type=age,
            metavar="AGE",
            help="exit with status 1 when the last chunk is older than this (90m, 26h, 2d), or there is none",
        )

    def call(self, progress: Progress, options: dict[str, Any]) -> ArchiveStatus:
        return archive_status(zip_path=options["zip_path"])

    def as_json(self, result: ArchiveStatus) -> dict[str, Any]:
        return {
            "inbox_rows": result.capture.inbox_rows,
            "inbox_bytes": result.capture.inbox.bytes,
            "live_rows": result.capture.live_rows,
            "sealed_files": result.sealed_files,
            "quarantined": result.capture.quarantined,
            "zip_path": result.zip_path,
            "zip_bytes": result.zip_size,
            "chunks": result.chunks,
            "archived_rows": result.rows,
            "problem": result.problem,
            "last_chunk_at": result.last_chunk_at,
            "last_chunk_age_seconds": result.last_chunk_age.total_seconds() if result.last_chunk_age else None,
        }

    def show(self, result: ArchiveStatus) -> None:
        last = f"{result.last_chunk_at:%Y-%m-%d %H:%M:%S} UTC" if result.last_chunk_at else "none yet"
        inbox = result.capture.inbox
        chunks = f"{counted(result.rows, 'example')} in {counted(result.chunks, 'chunk')}"
        lines = [
            ("Inbox", f"{counted(result.capture.inbox_rows, 'record')}, {human_size(inbox.bytes)}"),
            ("Live database", counted(result.capture.live_rows, "example")),
            ("Sealed files", f"{result.sealed_files:,} waiting to be appended"),
            ("Quarantine", counted(result.capture.quarantined, "record")),
            ("Archive", f"{chunks}, {human_size(result.zip_size)}"),
            ("Last chunk", last),
            ("ZIP", str(result.zip_path)),
        ]
        for label, value in lines:
            self.stdout.write(f"{label:<14} {value}")

    def finish(self, result: ArchiveStatus, options: dict[str, Any]) -> None:
        if result.problem:
            raise CommandError(result.problem)
        limit, found = options["max_age"], result.last_chunk_age
        if limit is None:
            return
        if found is None:
            raise CommandError("There is no chunk yet, so none is young enough.")
        if found > limit:
            raise CommandError(f"The last chunk is {str(found).partition('.')[0]} old, more than {limit}.")
