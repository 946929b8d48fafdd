"""Runs over the archive as people see them: asked for, watched while at work, looked up afterwards.

Each archive run and each verification of the configured archive leaves a row, whoever began it. Recording is never in
the way: a database that is away costs the record, not the run. While a run is at work it holds a lock on a file of its
own, which the kernel gives back however the process ends. So a run that was killed is told from one that takes long.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError
from django.db import IntegrityError, router, transaction
from filelock import FileLock, Timeout

from capture_app.conf import capture_settings
from capture_app.jobs import describe
from capture_app.progress import Progress, silent
from training_archive.dated_names import archive_zips
from training_archive.exceptions import ArchiveError
from training_archive.models import ArchiveRun
from training_archive.run_log import RunLog, Steps, storable

SHELL: Final = "shell"
SCHEDULE: Final = "schedule"

KEPT_RUNS: Final = 1_000  # older ones are deleted
KEPT_FINDINGS: Final = 200  # of one run; its `problems` counts all

_PAUSE: Final = 1.0  # seconds between two words of how far a run is
_LONG_PAUSE: Final = 30.0  # after a word that could not be written: a database that is away must not slow the run
_SETTLING: Final = timedelta(seconds=10)  # what a run may take from its first word to its lock
_UNHEARD: Final = timedelta(days=1)  # of a run whose lock is not here: it is, or was, at work on another host
_LARGEST: Final = 2**63 - 1
_STEP_CHARACTERS: Final = 200

State, Kind = ArchiveRun.State, ArchiveRun.Kind
_ACTIVE: Final = (State.QUEUED, State.RUNNING)

T = TypeVar("T")

logger = logging.getLogger("training_archive")


class RunPending(ArchiveError):
    """One of the kind is queued or at work, so no other was begun. Nothing was changed."""


class RunNotWaiting(ArchiveError):
    """The run is not queued: it was cancelled, or has begun. Nothing was changed."""


# --- Asking for one --------------------------------------------------------------------------------------------------


def request_run(kind: ArchiveRun.Kind, *, by: str) -> ArchiveRun:
    """Queue a run, for a worker to take by its id. Raises RunPending while one of the kind is queued or at work."""
    settle_lost_runs()
    at_work = ArchiveRun.objects.filter(kind=kind, state__in=_ACTIVE).first()
    if at_work is not None:
        raise _pending(at_work)
    try:
        with transaction.atomic(using=_database()):
            run = ArchiveRun.objects.create(
                kind=kind, state=State.QUEUED, requested_by=by, requested_at=datetime.now(UTC)
            )
    except IntegrityError as error:  # somebody else queued one just now
        raise _pending(ArchiveRun(kind=kind, state=State.QUEUED)) from error
    _delete_oldest()
    return run


def cancel_run(run_id: int) -> None:
    """Take a queued run back. Raises RunNotWaiting when a worker has taken it, or it is over."""
    if not _leave_queue(run_id, State.CANCELLED):
        raise RunNotWaiting(
            f"Run {run_id} is not queued any more, so it was not cancelled: it has begun, or it is over. Its page "
            "tells which. A run that is at work is left to finish; killed, it would lose nothing."
        )


def could_not_be_sent(run_id: int, error: BaseException) -> None:
    """The queued run reached no queue, for the reason `error`."""
    _leave_queue(run_id, State.FAILED, problem=describe(error))


def active_runs() -> list[ArchiveRun]:
    """Those that are queued or at work, the latest first."""
    return list(ArchiveRun.objects.filter(state__in=_ACTIVE))


def _leave_queue(run_id: int, state: ArchiveRun.State, **values: Any) -> bool:
    queued = ArchiveRun.objects.filter(pk=run_id, state=State.QUEUED)
    return bool(queued.update(state=state, finished_at=datetime.now(UTC), **values))


def _pending(run: ArchiveRun) -> RunPending:
    what = "archive run" if run.kind == Kind.ARCHIVE else "verification"
    state = "at work" if run.state == State.RUNNING else "queued"
    return RunPending(f"The last {what} is still {state}, so no other was begun. Wait for it, or cancel it.")


# --- Those that were killed ------------------------------------------------------------------------------------------


def settle_lost_runs() -> list[ArchiveRun]:
    """Find the runs whose process is gone, and say so in their rows. Any process may, at any time."""
    now = datetime.now(UTC)
    lost = [run for run in ArchiveRun.objects.filter(state=State.RUNNING) if _is_gone(run, now)]
    for run in lost:
        ArchiveRun.objects.filter(pk=run.pk, state=State.RUNNING).update(
            state=State.LOST, finished_at=run.seen_at, problem="Its process ended without a word."
        )
        with suppress(OSError):
            _lock_path(run.pk).unlink(missing_ok=True)
        logger.warning(
            "Run %d (%s, begun %s UTC) is lost: its process was killed, or could not reach Django's database at its "
            "end. No example is lost by it; the next archive run takes up what is left.",
            run.pk,
            run.kind,
            f"{run.started_at:%Y-%m-%d %H:%M:%S}",
        )
    return lost


def _is_gone(run: ArchiveRun, now: datetime) -> bool:
    silence = now - (run.seen_at or run.requested_at)
    path = _lock_path(run.pk)
    if not path.exists():
        return silence > _UNHEARD
    try:
        with FileLock(path, timeout=0):
            return silence > _SETTLING
    except Timeout:
        return False
    except OSError:  # it is another account's, say: as little is known as of a run on another host
        return silence > _UNHEARD


def _lock_path(run_id: int) -> Path:
    return capture_settings().data_dir / f".run-{run_id}.lock"


# --- Recording one ---------------------------------------------------------------------------------------------------


class Recording:
    """What is written down of one run; of none at all when it was given no row."""

    def __init__(self, row: ArchiveRun | None, given: Progress, zip_path: Path) -> None:
        self.log = RunLog()
        self._row = row
        self._given = given
        self._zip_path = zip_path
        self._steps = Steps()
        self._began = time.monotonic()
        self._next = 0.0  # when it may be written how far it is
        self._lock: FileLock | None = None
        self._is_written = True

    def progress(self, step: str, done: int, total: int) -> None:
        """A Progress: told on to whoever began the run, and written down once a second."""
        self._given(step, done, total)
        if self._row is None:
            return
        if self._steps.begin(step):
            self.log.add(step)
        self._set(step=storable(step)[:_STEP_CHARACTERS], done=done, total=total)
        # A service's transaction would keep the word from everybody until its end, and the row's lock as long.
        if time.monotonic() >= self._next and not transaction.get_connection(_database()).in_atomic_block:
            self._write()
            self._next = time.monotonic() + (_PAUSE if self._is_written else _LONG_PAUSE)

    def found(self, *, rows: int, chunks: int, problems: Sequence[Mapping[str, str]] | None = None) -> None:
        """What the run dealt with; of a verification, each problem as `{"zip_name", "member", "reason"}`."""
        self._set(rows=rows, chunks=chunks)
        if problems is not None:
            kept = [{key: storable(text) for key, text in found.items()} for found in problems[:KEPT_FINDINGS]]
            self._set(problems=len(problems), findings=kept)

    def begin(self, run_id: int | None) -> None:
        """Take the queued run of that id, or write down a new one. Raises RunNotWaiting when there is none to take."""
        if self._row is None:
            return
        self._set(bytes_before=_size(self._zip_path))
        _unhindered(settle_lost_runs)
        if run_id is None:
            self._write()
            _unhindered(_delete_oldest)
        else:
            self._take(self._row, run_id)
        self._hold()

    def end(self, state: ArchiveRun.State, error: BaseException | None = None) -> None:
        if self._row is None:
            return
        self._steps.end()
        problem = "" if error is None else describe(error)
        self.log.add(f"{state.label} after {time.monotonic() - self._began:.1f} s{problem and ': '}{problem}")
        self._set(state=state, finished_at=datetime.now(UTC), problem=problem, bytes=_size(self._zip_path), step="")
        self._write()
        self._let_go()

    def _take(self, row: ArchiveRun, run_id: int) -> None:
        row.pk, row._state.adding = run_id, False
        queued = ArchiveRun.objects.filter(pk=run_id, kind=row.kind, state=State.QUEUED)
        taken = _unhindered(lambda: queued.update(**{name: getattr(row, name) for name in _TAKEN}))
        if taken == 0:  # None when the database is away, which stops no run
            raise RunNotWaiting(
                f"Run {run_id} is not queued any more: it was cancelled, or another worker took it. Nothing was done."
            )

    def _set(self, **values: Any) -> None:
        for name, value in values.items() if self._row is not None else ():
            setattr(self._row, name, min(value, _LARGEST) if isinstance(value, int) else value)

    def _write(self) -> None:
        row = self._row
        if row is None:
            return
        self._set(seen_at=datetime.now(UTC), steps=self._steps.facts(), log=self.log.text())
        self._is_written = _unhindered(lambda: _save(row), quietly=not self._is_written) is not None

    def _hold(self) -> None:
        if self._row is None or self._row.pk is None:
            return
        path = _lock_path(self._row.pk)
        lock = FileLock(path, timeout=0)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except (OSError, Timeout) as error:  # a disk that takes nothing: the run itself says what is wrong
            logger.warning("Should the run be killed, that will be noticed late (%s).", describe(error))
        else:
            self._lock = lock

    def _let_go(self) -> None:
        """The file stays when the end could not be written down: a free lock then tells of it."""
        if self._lock is None:
            return
        if self._is_written:
            with suppress(OSError):
                Path(self._lock.lock_file).unlink(missing_ok=True)
        self._lock.release()


_TAKEN: Final = ("state", "started_at", "seen_at", "host", "process", "bytes_before")
_WRITTEN: Final = (
    *_TAKEN,  # again: the database may have been away when the run was taken
    *("finished_at", "step", "done", "total", "steps", "rows", "chunks", "bytes", "problems"),
    *("findings", "log", "problem"),
)


@contextmanager
def recording(
    kind: ArchiveRun.Kind,
    *,
    zip_path: Path,
    recorded: bool,
    by: str = SHELL,
    run_id: int | None = None,
    progress: Progress = silent,
    refusal: type[Exception] | tuple[()] = (),
) -> Iterator[Recording]:
    """Record a run over the archive whose active ZIP this is. One that ends with a `refusal` was not to be.

    `recorded=False` is for a run on other data than the configured. `run_id` is that of a run that was asked for:
    raises RunNotWaiting, before anything is done, when it is not queued any more.
    """
    record = Recording(_new_row(kind, by) if recorded else None, progress, zip_path)
    with record.log.listening():
        record.begin(run_id)
        try:
            yield record
        except refusal as error:
            record.log.add(str(error))  # our own words, of paths and locks
            record.end(State.REFUSED)
            raise
        except BaseException as error:
            record.end(State.FAILED, error)
            raise
        record.end(State.SUCCEEDED)


def _new_row(kind: ArchiveRun.Kind, by: str) -> ArchiveRun:
    now = datetime.now(UTC)
    return ArchiveRun(
        kind=kind,
        state=State.RUNNING,
        requested_by=by,
        requested_at=now,
        started_at=now,
        seen_at=now,
        host=storable(socket.gethostname()),
        process=os.getpid(),
    )


def _save(row: ArchiveRun) -> int:
    if row._state.adding:
        row.save(force_insert=True)
        return 1
    return ArchiveRun.objects.filter(pk=row.pk).update(**{name: getattr(row, name) for name in _WRITTEN})


def _unhindered(write: Callable[[], T], *, quietly: bool = False) -> T | None:
    """What the write returns; None, and a word in the log, where Django's database refuses it, is away, or is none."""
    try:
        with transaction.atomic(using=_database()):
            return write()
    except (DatabaseError, ImproperlyConfigured) as error:
        is_known = quietly or isinstance(error, ImproperlyConfigured)  # a training host may have no database
        level = logging.DEBUG if is_known else logging.WARNING
        logger.log(level, "The run over the archive could not be recorded (%s). It goes on.", describe(error))
        return None


def _database() -> str:
    return router.db_for_write(ArchiveRun)


def _delete_oldest() -> None:
    kept = ArchiveRun.objects.order_by("-pk").values_list("pk", flat=True)
    newest_unkept = next(iter(kept[KEPT_RUNS : KEPT_RUNS + 1]), None)
    if newest_unkept is not None:
        ArchiveRun.objects.filter(pk__lte=newest_unkept).exclude(state__in=_ACTIVE).delete()


def _size(zip_path: Path) -> int:
    """Of all ZIPs together, in bytes; what cannot be read counts as nothing."""
    size = 0
    with suppress(OSError):
        for path in archive_zips(zip_path):
            size += path.stat().st_size
    return size
