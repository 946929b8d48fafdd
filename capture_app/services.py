"""The verbs of capture_app. Commands, tasks and the admin call these and nothing below them."""

import time
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction

from capture_app.conf import capture_settings
from capture_app.drain import Drained, drain_group, drain_leftovers
from capture_app.duckdb_files import with_enough_memory
from capture_app.example import TABLE
from capture_app.inbox import get_inbox
from capture_app.inbox.base import InboxDepth
from capture_app.index import index_examples
from capture_app.live_database import (
    ALIAS,
    create_live_database,
    fresh_path,
    generation,
    live_session,
    lock_live_database,
)
from capture_app.models import ExampleIndex
from capture_app.progress import Progress, silent
from capture_app.quarantine import count_quarantined


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainReport:
    """What a drain did."""

    rows: int
    batches: int
    quarantined: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureStatus:
    """What waits to be archived."""

    live_rows: int
    inbox: InboxDepth
    inbox_rows: int
    quarantined: int


def drain_captures(*, progress: Progress = silent) -> DrainReport:
    """Move what the inbox held when this began into the live database. The lock is released between groups.

    Raises LiveDatabaseError when the database cannot be used; what was not drained stays in the inbox.
    """
    started = time.monotonic()
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
    return DrainReport(
        rows=drained.rows,
        batches=drained.batches,
        quarantined=drained.quarantined,
        seconds=time.monotonic() - started,
    )


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


def capture_status(*, db_path: Path | None = None) -> CaptureStatus:
    """Rows in the live database and in the inbox, and records in quarantine."""
    conf = capture_settings()
    with lock_live_database(db_path or conf.live_database) as live:
        live_rows = live.count_rows()
    inbox = get_inbox()
    return CaptureStatus(
        live_rows=live_rows,
        inbox=inbox.depth(),
        inbox_rows=inbox.count_rows(),
        quarantined=count_quarantined(conf.data_dir),
    )
