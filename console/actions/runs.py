"""What takes its time: an export, a request to forget. Small ones are done while the browser waits, others by Celery.

An ActionRun is written, with its line in the trail, before anything is done. Whoever does it first turns its state from
`queued` to `running`, so it is done once; one that a kill left running may be asked for again, and the locks of the
services below keep two from being at work together.
"""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from celery import current_app
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import Error as DatabaseError
from django.db import router, transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from capture_app.conf import capture_settings
from capture_app.exceptions import CaptureError
from capture_app.files import file_size
from capture_app.jobs import describe
from capture_app.progress import Progress
from console import audit
from console.actions.exceptions import ActionError
from console.actions.exporting import do_export
from console.actions.forgetting import do_forget
from console.actions.selection import Selection
from console.models import ActionRun
from training_archive.conf import archive_settings
from training_archive.dated_names import archive_zips
from training_archive.exceptions import ArchiveError
from training_archive.sealed import sealed_files

TASK: Final = "console.do_action"  # of Celery
SMALL_BYTES: Final = 64 * 2**20  # of archive and live database together, which every run reads: a few seconds
SMALL_EXAMPLES: Final = 1_000
NO_WORKER_AFTER: Final = timedelta(seconds=10)
NO_SIGN_AFTER: Final = timedelta(minutes=2)
_KEPT: Final = 1_000  # runs; older ones are forgotten
_SECONDS_BETWEEN: Final = 1.0  # two notes of how far a run is

State, Kind = ActionRun.State, ActionRun.Kind
User = AbstractBaseUser | AnonymousUser
logger = logging.getLogger("console")

_DOERS: Final[Mapping[str, Callable[[ActionRun, Progress], dict[str, Any]]]] = {
    Kind.EXPORT: do_export,
    Kind.FORGET: do_forget,
}
_ACTS: Final = {Kind.EXPORT: audit.EXPORTED, Kind.FORGET: audit.FORGOT}


def is_small(examples: int) -> bool:
    """Whether it can be done while a browser waits."""
    return examples <= SMALL_EXAMPLES and _bytes_to_read() <= SMALL_BYTES


def _bytes_to_read() -> int:
    paths = [*archive_zips(archive_settings().zip_path), *sealed_files(), capture_settings().live_database]
    return sum(map(file_size, paths))


def start(kind: str, user: User, selection: Selection | None, choices: Mapping[str, Any]) -> ActionRun:
    """Write the run and its line in the trail down, and see that it is done. No selection: finish what was left."""
    with transaction.atomic(using=router.db_for_write(ActionRun)):
        run = ActionRun.objects.create(
            kind=kind,
            requested_by=user.get_username(),
            requested_at=timezone.now(),
            examples=len(selection) if selection else 0,
            ids=list(selection.ids) if selection else [],
            choices=dict(choices),
        )
        audit.note(
            user,
            _ACTS[Kind(kind)],
            example=selection.only_id if selection else "",
            examples=run.examples,
            details={"run": run.pk, **choices},
        )
    _forget_old_runs()
    _see_to(run)
    return run


def again(run: ActionRun, user: User) -> bool:
    """Have the run done after it failed, or its process went away; whether there was a need."""
    if not may_go_again(run):
        return False
    values = {"state": State.QUEUED, "requested_at": timezone.now(), "problem": "", "step": ""}
    with transaction.atomic(using=router.db_for_write(ActionRun)):
        if not ActionRun.objects.filter(pk=run.pk, state=run.state, seen_at=run.seen_at).update(**values):
            return False  # somebody else was quicker
        audit.note(user, _ACTS[Kind(run.kind)], examples=run.examples, details={"run": run.pk, "again": True})
    run.refresh_from_db()
    _see_to(run)
    return True


def may_go_again(run: ActionRun) -> bool:
    return run.state == State.FAILED or shows_no_sign(run) or waits_in_vain(run)


def shows_no_sign(run: ActionRun) -> bool:
    """Whether its process seems to be gone. It may yet be in a long step."""
    return run.state == State.RUNNING and _since(run.seen_at) > NO_SIGN_AFTER


def waits_in_vain(run: ActionRun) -> bool:
    """Whether no worker has taken it."""
    return run.state == State.QUEUED and _since(run.requested_at) > NO_WORKER_AFTER


def _since(moment: datetime | None) -> timedelta:
    return datetime.now(UTC) - moment if moment else timedelta(0)


def _see_to(run: ActionRun) -> None:
    if is_small(run.examples):
        work(run.pk)
    else:
        transaction.on_commit(partial(_send, run.pk), using=router.db_for_write(ActionRun))


def _send(run_id: int) -> None:
    """Ask a worker. A broker that is away leaves the run queued, and its page says so."""
    try:
        current_app.send_task(TASK, args=[run_id], retry=False)
    except (OperationalError, OSError) as error:
        logger.warning("Celery's broker could not be reached (%s); run %d waits.", describe(error), run_id)


def work(run_id: int) -> None:
    """Do what the run asks for, unless somebody else does already. What goes wrong stands in the run."""
    now = timezone.now()
    queued = ActionRun.objects.filter(pk=run_id, state=State.QUEUED)
    run = queued.first()  # with its ids: once taken, a process that seemed gone may end it, and they are emptied
    if run is None or not queued.update(state=State.RUNNING, started_at=now, seen_at=now, problem=""):
        return
    try:
        result = _DOERS[Kind(run.kind)](run, _Progress(run))
    except (ActionError, ArchiveError, CaptureError) as error:
        _finish(run, State.FAILED, problem=str(error))
    except BaseException as error:  # whatever it was, the page must not wait for ever
        _finish(run, State.FAILED, problem=f"It ended with {describe(error)}; the log has more. Try it again.")
        logger.exception("The run %d of %s failed.", run_id, run.kind)
        if not isinstance(error, Exception):  # a signal is for who called
            raise
    else:
        _finish(run, State.SUCCEEDED, result=result, ids=[], problem="")


def _finish(run: ActionRun, state: str, **values: Any) -> None:
    now = timezone.now()
    # One that succeeded in another process stays so: it has no ids any more, and must not be asked for again.
    unfinished = ActionRun.objects.filter(pk=run.pk).exclude(state=State.SUCCEEDED)
    unfinished.update(state=state, finished_at=now, seen_at=now, step="", **values)


class _Progress:
    """Writes down how far a run is, at most once a second. Never in the way of the work."""

    def __init__(self, run: ActionRun) -> None:
        self._run = run
        self._noted = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        connection = transaction.get_connection(router.db_for_write(ActionRun))
        if time.monotonic() - self._noted < _SECONDS_BETWEEN or connection.in_atomic_block:
            return
        self._noted = time.monotonic()
        values = {"step": stage, "done": done, "total": total, "seen_at": timezone.now()}
        try:
            ActionRun.objects.filter(pk=self._run.pk).update(**values)
        except DatabaseError as error:
            logger.warning("How far run %d is could not be noted (%s). It goes on.", self._run.pk, describe(error))


def _forget_old_runs() -> None:
    oldest = ActionRun.objects.order_by("-pk").values_list("pk", flat=True)[_KEPT : _KEPT + 1]
    for pk in oldest:
        ActionRun.objects.filter(pk__lte=pk).exclude(state__in=(State.QUEUED, State.RUNNING)).delete()
