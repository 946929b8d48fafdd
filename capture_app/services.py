"""The verbs of capture_app. Commands, tasks and the admin call these and nothing below them."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction

from capture_app.conf import capture_settings
from capture_app.drain import Drained, drain_group, drain_leftovers
from capture_app.duckdb_files import with_enough_memory
from capture_app.example import TABLE
from capture_app.inbox import get_inbox
from capture_app.inbox.base import ForwardReport, InboxDepth
from capture_app.index import index_examples
from capture_app.jobs import DRAIN, job, only_run
from capture_app.live_database import (
    ALIAS,
    create_live_database,
    fresh_path,
    generation,
    live_session,
    lock_live_database,
)
from capture_app.metrics import CaptureCounts, capture_counts
from capture_app.models import ExampleIndex
from capture_app.progress import Progress, silent
from capture_app.quarantine import count_quarantined, count_withheld
from capture_app.wording import counted

logger = logging.getLogger("capture_app")


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainReport:
    """What a drain did."""

    rows: int
    batches: int
    quarantined: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureStatus:
    """What waits to be archived, and what has been counted."""

    live_rows: int
    live_bytes: int
    inbox: InboxDepth
    inbox_rows: int
    quarantined: int
    withheld: int
    counts: CaptureCounts  # since this data directory was made


def drain_captures(*, progress: Progress = silent) -> DrainReport:
    """Move what the inbox held when this began into the live database. The lock is released between groups.

    Raises LiveDatabaseError when the database cannot be used; what was not drained stays in the inbox.
    """
    started = time.monotonic()
    with job(DRAIN) as run:
        run.started()
        drained = _drain(progress)
        run.rows = drained.rows
    report = DrainReport(
        rows=drained.rows,
        batches=drained.batches,
        quarantined=drained.quarantined,
        seconds=time.monotonic() - started,
    )
    _log(report)
    return report


def drain_captures_alone(*, progress: Progress = silent) -> DrainReport:
    """As `drain_captures`, for schedules: raises JobBusy while another such drain of this host is at work."""
    with only_run(DRAIN):
        return drain_captures(progress=progress)


def _drain(progress: Progress) -> Drained:
    inbox, path = get_inbox(), capture_settings().live_database
    drained, batches = Drained(), inbox.seal()

    def drain(memory_mb: int) -> None:
        with live_session(path.parent, memory_mb) as connection:
            busy = True
            while busy:
                with lock_live_database(path) as live:
                    busy = drain_group(connection, live, inbox, batches, drained)
                if busy:
                    progress("draining", drained.rows, 0)

    with_enough_memory(drain, capture_settings().memory_mb)
    return drained


def _log(report: DrainReport) -> None:
    facts = {"rows": report.rows, "seconds": report.seconds, "quarantined": report.quarantined}
    level = logging.INFO if report.batches else logging.DEBUG  # most drains of a quiet night find nothing
    logger.log(level, "Drained %s in %.1f s.", counted(report.rows, "example"), report.seconds, extra=facts)
    if report.quarantined:
        logger.warning(
            "%s could not be stored; quarantine/ has what came, with the reason.",
            counted(report.quarantined, "record"),
            extra=facts,
        )


def forward_captures() -> ForwardReport:
    """Bring what this host kept for itself while the inbox that all hosts share could not be reached into that inbox.

    Raises CaptureConfigurationError when the inbox is no shared one, ForwardingBusy while another process does it,
    InboxError when the inbox still cannot be reached; what was not forwarded stays where it is.
    """
    return get_inbox().forward()


def rotate_live_database(*, db_path: Path, sealed: Path) -> float | None:
    """Move the live database to `sealed` and leave a fresh one: seconds under the lock, or None when it had no rows."""
    with lock_live_database(db_path) as live:
        if not live.count_rows():
            return None
    fresh = create_live_database(fresh_path(db_path))
    with lock_live_database(db_path) as live:
        started = time.monotonic()
        if db_path == capture_settings().live_database.resolve():
            # A drain that died after its commit: were it repeated after the rename, its rows would be stored twice.
            drain_leftovers(live, get_inbox())
        live.rotate(sealed, fresh)
        return time.monotonic() - started


def index_live_database() -> tuple[str, int]:
    """Index the live database's examples anew, and nothing else; its generation, and the rows indexed."""
    with lock_live_database(capture_settings().live_database) as live, live.connect() as connection:
        found = generation(connection)
        with transaction.atomic():
            ExampleIndex.objects.filter(generation=found).delete()
            return found, index_examples(connection, f"{ALIAS}.{TABLE}", found)


def count_live_rows(*, db_path: Path | None = None) -> int:
    """Rows in the live database. Takes its lock for a moment."""
    with lock_live_database(db_path or capture_settings().live_database) as live:
        return live.count_rows()


def capture_status(*, db_path: Path | None = None) -> CaptureStatus:
    """Rows in the live database and in the inbox, records in quarantine, and examples withheld."""
    conf = capture_settings()
    db_path = db_path or conf.live_database
    live_rows = count_live_rows(db_path=db_path)
    inbox = get_inbox()
    return CaptureStatus(
        live_rows=live_rows,
        live_bytes=db_path.stat().st_size if db_path.exists() else 0,
        inbox=inbox.depth(),
        inbox_rows=inbox.count_rows(),
        quarantined=count_quarantined(conf.data_dir),
        withheld=count_withheld(conf.data_dir),
        counts=capture_counts(),
    )
