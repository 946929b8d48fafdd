"""The regular jobs: what each did last, and that no two runs of one overlap.

What happened is recorded around the services, so that Celery, cron and a person at the shell count alike. Recording is
never in the way: it turns no success into a failure and hides no error of the job's own.
"""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from django.db import Error as DatabaseError
from django.db import router, transaction
from filelock import FileLock, Timeout

from capture_app.conf import capture_settings
from capture_app.exceptions import JobBusy
from capture_app.models import Job

DRAIN: Final = "drain"
ARCHIVE: Final = "archive"
FRESHNESS: Final = "freshness"

logger = logging.getLogger("capture_app")


class Run:
    """One run of a job, for it to say what it does."""

    def __init__(self, name: str, *, recorded: bool) -> None:
        self.rows = 0  # what a success dealt with
        self.notes: Mapping[str, Any] | None = None  # what a success leaves for the next run; None: what is there
        self._name = name
        self._recorded = recorded
        self._began = time.monotonic()

    def started(self) -> None:
        """The work begins: whatever might refuse it is past."""
        self._record(started_at=datetime.now(UTC))

    def succeeded(self) -> None:
        notes = {} if self.notes is None else {"notes": self.notes}
        self._finish(last_success_at=datetime.now(UTC), rows=self.rows, problem="", **notes)

    def failed(self, error: BaseException) -> None:
        self._finish(problem=describe(error))

    def _finish(self, **values: Any) -> None:
        self._record(finished_at=datetime.now(UTC), seconds=time.monotonic() - self._began, **values)

    def _record(self, **values: Any) -> None:
        if not self._recorded:
            return
        try:
            with transaction.atomic(using=router.db_for_write(Job)):
                Job.objects.update_or_create(name=self._name, defaults=values)
        except DatabaseError as error:
            logger.warning("What the job %r did could not be recorded (%s). It goes on.", self._name, describe(error))


@contextmanager
def job(name: str, *, refusal: type[Exception] | tuple[()] = (), recorded: bool = True) -> Iterator[Run]:
    """Record what a run of the job does. One that ends with a `refusal` did not take place.

    `recorded=False` is for a run on other data than the configured.
    """
    run = Run(name, recorded=recorded)
    try:
        yield run
    except refusal:
        raise
    except BaseException as error:
        run.failed(error)
        raise
    run.succeeded()


@contextmanager
def only_run(name: str) -> Iterator[None]:
    """Raises JobBusy while another process of this host is inside with the same name."""
    path = capture_settings().data_dir / f".{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=0)  # made at use: one from before a fork raises in the child
    try:
        lock.acquire()
    except Timeout as error:
        raise JobBusy(
            f"Another run of the job {name!r} is at work ({path} is held). Nothing was changed, and that run goes on; "
            "run this again when it has finished, if there is still a need."
        ) from error
    try:
        yield
    finally:
        lock.release()


def describe(error: BaseException) -> str:
    """What kind of error it is. Its own text may quote an example, so only the system's words are taken."""
    cause = error.__cause__
    inner = f" ({describe(cause)})" if cause is not None and type(cause).__name__ != type(error).__name__ else ""
    reason = f": {error.strerror}" if isinstance(error, OSError) and error.errno and error.strerror else ""
    return f"{type(error).__name__}{reason}{inner}"
