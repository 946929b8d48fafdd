"""Export what was captured since the last time as pairs to train on."""

from argparse import ArgumentTypeError
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from capture_app.exceptions import CaptureError, JobBusy
from capture_app.management.service_command import BUSY, ServiceCommand
from capture_app.progress import Progress
from capture_app.wording import counted
from continuous_training.exporting.service import FinetuneReport, export_finetune
from training_archive.exceptions import ArchiveError
from training_archive.management.archive_command import age, human_size


class Command(ServiceCommand):
    errors: ClassVar[tuple[type[Exception], ...]] = (CaptureError, ArchiveError)
    tables_of: ClassVar[tuple[str, ...]] = ("capture_app", "training_archive", "continuous_training")
    help = (
        "Write what no export has taken yet as pairs to train on, redacted, in chat JSONL: a file of this run, the "
        "master files, and the same for each task. Corrections replace answers; what is rated low, held out or cut "
        "short stays out, and is counted. Nothing is lost between two runs, however long that is, and nothing is "
        "written twice. When there is nothing to write, it says so and makes no file. Exit status 1: nothing was "
        "written, and the message says what to do; 75: another export is at work, try again later."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        when = parser.add_mutually_exclusive_group()
        when.add_argument(
            "--since",
            type=_moment,
            metavar="TIME",
            help="only calls made since then: 2026-01-31 (its beginning in UTC), or a time with its zone. What is "
            "passed over is taken by a later run",
        )
        when.add_argument("--window", type=age, metavar="AGE", help="only calls of the last 24h, 90m or 2d; as --since")
        parser.add_argument("--task", action="append", default=[], help="only this one; repeat it for several")
        parser.add_argument(
            "--reconsider",
            action="store_true",
            help="judge anew what earlier runs left out, as after a change of CONTINUOUS_TRAINING['EXPORT']",
        )
        parser.add_argument("--output", type=Path, metavar="DIR", help="instead of the folder in the settings")
        parser.add_argument("--dry-run", action="store_true", help="count only, write nothing")

    def call(self, progress: Progress, options: dict[str, Any]) -> FinetuneReport:
        return export_finetune(
            since=_since(options["since"], options["window"]),
            tasks=tuple(options["task"]),
            reconsider=options["reconsider"],
            folder=options["output"],
            dry_run=options["dry_run"],
            progress=progress,
        )

    def exit_code(self, error: Exception) -> int:
        return BUSY if isinstance(error, JobBusy) else 1

    def show(self, result: FinetuneReport) -> None:
        self.stdout.write(self._headline(result))
        counts = result.counts
        for task, pairs in counts.tasks.items():
            self.stdout.write(f"  {task}: {pairs:,}")
        for reason, examples in counts.left_out.items():
            self.stdout.write(f"  left out, {reason}: {examples:,}")
        for words, number in (
            ("the same as another example's pair", counts.repeated),
            ("pairs that people judged away leave the master files", counts.withdrawn),
            ("could not be read, and wait for the next run", counts.unread),
            ("messages cut, for they were too long", counts.cut),
        ):
            if number:
                self.stdout.write(f"  {words}: {number:,}")
        if counts.redacted:
            redacted = ", ".join(f"{number:,} {kind}" for kind, number in counts.redacted.items())
            self.stdout.write(f"  redacted: {redacted}")
        for file in result.files:
            self.stdout.write(f"  {result.folder / file.name}: {counted(file.pairs, 'pair')}, {human_size(file.bytes)}")

    def _headline(self, result: FinetuneReport) -> str:
        examples = counted(result.counts.examples, "new example")
        if result.counts.is_nothing:
            return f"There is nothing to write, of {examples}. No file was made."
        verb, place = ("Would write", "") if result.dry_run else ("Wrote", f" as {', '.join(result.exports)}")
        return f"{verb} {counted(result.counts.pairs, 'pair')}{place}, of {examples}, in {result.seconds:.1f} s."


def _since(since: datetime | None, window: timedelta | None) -> datetime | None:
    return since if window is None else datetime.now(UTC) - window


def _moment(text: str) -> datetime:
    """A day is its beginning in UTC. Whether a time has a zone is the service's to say."""
    with suppress(ValueError):
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    with suppress(ValueError):
        return datetime.fromisoformat(text)
    raise ArgumentTypeError(f"{text!r} is no time; write 2026-01-31, or 2026-01-31T12:00:00+00:00")
