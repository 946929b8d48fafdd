"""Say what is where, from the inbox to the ZIP."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser

from capture_app.metrics import CaptureCounts
from capture_app.models import Job
from capture_app.progress import Progress
from capture_app.wording import counted
from training_archive.cold.ledger import ColdPart
from training_archive.conf import archive_settings
from training_archive.management.archive_command import ArchiveCommand, age, human_size
from training_archive.services import ArchiveStatus, archive_status


class Command(ArchiveCommand):
    help = (
        "Show what was captured, where it is between inbox and ZIP, and what each job did last. Waits for the live "
        "database's lock, and reads the whole inbox to count its rows."
    )

    requires_migrations_checks = False  # a training host may have no database

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--max-age",
            type=age,
            metavar="AGE",
            help="exit with status 1 when the youngest chunk in the ZIPs is older than this (90m, 26h, 2d), or there "
            "is none; so also after an archive run that found nothing new, which makes no chunk",
        )

    def call(self, progress: Progress, options: dict[str, Any]) -> ArchiveStatus:
        return archive_status(zip_path=options["zip_path"])

    def as_json(self, result: ArchiveStatus) -> dict[str, Any]:
        capture = result.capture
        return {
            "captures": capture.counts.captured,
            "capture_failures": capture.counts.failures,
            "withheld_total": capture.counts.withheld,
            "inbox_rows": capture.inbox_rows,
            "inbox_bytes": capture.inbox.bytes,
            "inbox_oldest_at": capture.inbox.oldest_at,
            "inbox_oldest_age_seconds": _seconds_since(capture.inbox.oldest_at),
            "live_rows": capture.live_rows,
            "live_bytes": capture.live_bytes,
            "sealed_files": result.sealed_files,
            "quarantined": capture.quarantined,
            "withheld": capture.withheld,
            "zip_path": result.zip_path,
            "zips": result.zips,
            "zip_bytes": result.zip_size,
            "chunks": result.chunks,
            "archived_rows": result.rows,
            "cold_parts": [_part_facts(part) for part in result.cold],
            "pending_erasures": result.pending_erasures,
            "leaving_chunks": result.leaving_chunks,
            "problem": result.problem,
            "last_chunk_at": result.last_chunk_at,
            "last_chunk_age_seconds": result.last_chunk_age.total_seconds() if result.last_chunk_age else None,
            "last_shipped_at": result.last_shipped_at,
            "jobs": {job.name: _job_facts(job) for job in result.jobs},
        }

    def show(self, result: ArchiveStatus) -> None:
        capture = result.capture
        chunks = f"{counted(result.rows, 'example')} in {counted(result.chunks, 'chunk')}"
        zips = f" in {counted(len(result.zips), 'ZIP')}" if len(result.zips) > 1 else ""
        inbox = f"{counted(capture.inbox_rows, 'record')}, {human_size(capture.inbox.bytes)}"
        if capture.inbox.oldest_at:
            inbox += f", the oldest from {_moment(capture.inbox.oldest_at)}"
        lines = [
            ("Captured", counted(capture.counts.captured, "example")),
            ("Not kept", _failures(capture.counts)),
            ("Inbox", inbox),
            ("Live database", f"{counted(capture.live_rows, 'example')}, {human_size(capture.live_bytes)}"),
            ("Sealed files", f"{result.sealed_files:,} waiting to be appended"),
            ("Quarantine", _put_aside(capture.quarantined, "record", "quarantine/")),
            ("Withheld", _put_aside(capture.withheld, "example", "quarantine/withheld/")),
            ("Archive", f"{chunks}, {human_size(result.zip_size)}{zips}"),
            *_cold(result.cold),
            ("Last chunk", _moment(result.last_chunk_at)),
            ("Last shipped", _moment(result.last_shipped_at) if archive_settings().ship_to else "SHIP_TO is not set"),
            ("ZIP", str(result.zip_path)),
            *_unfinished(result),
            *((f"Job {job.name}", _job_line(job)) for job in result.jobs),
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


def _put_aside(count: int, what: str, folder: str) -> str:
    found = counted(count, what)
    return f"{found} in {folder}, each with the reason; then run `manage.py requeue`" if count else found


def _part_facts(part: ColdPart) -> dict[str, Any]:
    place = part.place._asdict()
    return {**place, "size": part.size, "chunks": len(part.chunks), "rows": part.rows, "moved_at": part.moved_at}


def _cold(parts: Sequence[ColdPart]) -> Iterator[tuple[str, str]]:
    if parts:
        rows, chunks = sum(part.rows for part in parts), sum(len(part.chunks) for part in parts)
        storages = ", ".join(sorted({part.place.storage for part in parts}))
        size = human_size(sum(part.size for part in parts))
        yield "Cold storage", f"{counted(rows, 'example')} in {counted(chunks, 'chunk')}, {size}, in {storages}"


def _unfinished(result: ArchiveStatus) -> Iterator[tuple[str, str]]:
    """What runs that were killed have left to do, or runs at work are about to."""
    if result.pending_erasures:
        yield "Forgetting", f"{counted(result.pending_erasures, 'request')} not finished; run `manage.py forget`"
    if result.leaving_chunks:
        advice = (
            "run `manage.py prune_archive` or `forget` again, or `rebuild_example_index` to keep what is still there"
        )
        yield "Removing", f"{counted(result.leaving_chunks, 'chunk')}, not finished; unless a run is at work, {advice}"


def _failures(counts: CaptureCounts) -> str:
    causes = ", ".join(f"{number:,} x {cause}" for cause, number in sorted(counts.failures.items()))
    return counted(sum(counts.failures.values()), "example") + (f": {causes}" if causes else "")


def _job_facts(job: Job) -> dict[str, Any]:
    return {
        "state": job.state,
        "problem": job.problem,
        "started_at": job.started_at,
        "last_success_at": job.last_success_at,
        "seconds": job.seconds,
        "rows": job.rows,
    }


def _job_line(job: Job) -> str:
    line = f"{job.state}, last success {_moment(job.last_success_at)}"
    if job.seconds is not None:
        line += f", {job.seconds:.1f} s"
    if job.rows is not None:
        line += f", {counted(job.rows, 'row')}"
    return f"{line}: {job.problem}" if job.problem else line


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "none yet"


def _seconds_since(moment: datetime | None) -> float | None:
    return (datetime.now(UTC) - moment).total_seconds() if moment else None
