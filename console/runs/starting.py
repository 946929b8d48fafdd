"""A run that somebody wants from the page: queued, noted in the trail, and handed to Celery."""

import logging
from functools import partial

from celery import Task
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import router, transaction
from kombu.exceptions import OperationalError

from capture_app.jobs import describe
from console.audit import RAN, note
from training_archive import runs, tasks
from training_archive.models import ArchiveRun

User = AbstractBaseUser | AnonymousUser
Kind = ArchiveRun.Kind

logger = logging.getLogger("console")


def start_run(kind: ArchiveRun.Kind, user: User) -> ArchiveRun:
    """Queue a run for a worker. Raises RunPending while one of the kind is queued or at work."""
    database = router.db_for_write(ArchiveRun)
    with transaction.atomic(using=database):
        run = runs.request_run(kind, by=user.get_username())
        note(user, RAN, examples=0, details={"run": run.pk, "kind": kind.value})
        transaction.on_commit(partial(_send, run.pk, kind), using=database)
    return run


def cancel_run(run_id: int, user: User) -> None:
    """Take a queued run back. Raises RunNotWaiting when it has begun."""
    with transaction.atomic(using=router.db_for_write(ArchiveRun)):
        runs.cancel_run(run_id)
        note(user, RAN, examples=0, details={"run": run_id, "cancelled": True})


def _send(run_id: int, kind: ArchiveRun.Kind) -> None:
    task: Task = tasks.archive_training_data if kind == Kind.ARCHIVE else tasks.verify_archive
    try:
        task.apply_async(kwargs={"run_id": run_id}, retry=False)
    except (OperationalError, OSError) as error:
        logger.warning("Celery's broker could not be reached (%s); run %d was not queued.", describe(error), run_id)
        runs.could_not_be_sent(run_id, error)
