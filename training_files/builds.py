"""Long additions to a training file: thousands of conversations, in batches, by a worker or by a command.

The ids are written to the storage when the build is asked for. Each batch is one transaction that also moves `done`, so
a build that was killed goes on just behind its last batch, whoever runs it next. Two that run it at the same time do no
harm: the later one has put its mark on it, and the earlier one stops at its next batch, of which nothing is added.

Conversations that are forgotten before their turn comes are left out, and counted in the end.
"""

import logging
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

import orjson
from celery import current_app
from django.db import Error as DatabaseError
from django.db import transaction
from django.db.models import F
from kombu.exceptions import OperationalError

from capture_app.jobs import describe
from capture_app.progress import Progress, silent
from capture_app.wording import counted
from training_files.actors import Actor
from training_files.changing import (
    PENDING,
    Status,
    add,
    change,
    held_in,
    must_be_named_once,
    must_be_new,
    open_for,
    repeated,
)
from training_files.conversations.store import batches, ready
from training_files.creating import NewFile, insert, name_must_be_free
from training_files.describing import get_training_file
from training_files.exceptions import BuildStopped, InvalidRequest, NotFound, TrainingFilesError
from training_files.finding import existing_ids
from training_files.models import Build, TrainingFile, TrainingFileVersion
from training_files.storage import keep, let_go, read_whole, write_loose

TASK: Final = "training_files.build"  # of Celery; takes the build's id
SILENT_AFTER: Final = timedelta(minutes=10)  # a build of which nothing was heard for so long is sent to a worker again
BATCH: Final = 400  # conversations

_BUILDER: Final = Actor("build", may_change_all=True)  # whether its requester may was asked at the start
_OPEN: Final = frozenset({Status.PROCESSING})  # to the build that made it so
_PROBLEM_CHARACTERS: Final = 2_000

State = Build.State

logger = logging.getLogger("training_files")


# --- Asking for one --------------------------------------------------------------------------------------------------


def start_build(
    file_id: UUID | str, *, conversation_ids: Iterable[str], by: Actor, skip_present: bool = False
) -> Build:
    """Queue the addition of any number of conversations, in this order; the training file is closed until its end.

    `skip_present`: leave out those that it has already, as is meant by "all that match". Then `send` it, or `run_build`
    it. Raises NotFound, NotOwner, FileClosed, and InvalidRequest as `add_conversations` does.
    """
    training_file = open_for(file_id, by=by)
    ids = list(conversation_ids)
    if skip_present:
        present = {found for found, _ in held_in(training_file, ids)}
        ids = [each for each in ids if each not in present]
    _must_be_ready(ids)
    must_be_new(training_file, ids)

    def attempt() -> Build:
        written = _write_ids(ids)
        with change(file_id, by=by, content=False) as (locked, _):
            build = _queue(locked, written, len(ids), by)
            locked.status = Status.PROCESSING
        return build

    return repeated(attempt)


def start_new_build(given: NewFile, *, conversation_ids: Iterable[str], by: Actor) -> Build:
    """Make a training file that is empty, and queue the addition. Raises NameTaken, InvalidRequest."""
    name_must_be_free(given.name)
    ids = list(conversation_ids)
    _must_be_ready(ids)
    queued: list[Build] = []

    def attempt() -> Build:
        written = _write_ids(ids)

        def fill(training_file: TrainingFile, version: TrainingFileVersion) -> None:
            queued.append(_queue(training_file, written, len(ids), by))

        insert(given, by=by, status=Status.PROCESSING, fill=fill)
        return queued[-1]

    return repeated(attempt)


def send(build: Build) -> None:
    """Give the build to a worker. When the queue cannot be reached, `silent_builds` sends it later."""
    try:
        current_app.send_task(TASK, args=[build.pk], retry=False)
    except (OperationalError, OSError) as error:
        logger.warning(
            "Build %d could not be sent to a worker (%s). Nothing is lost: it is sent again as soon as beat's task "
            "training_files.resume_builds runs.",
            build.pk,
            describe(error),
        )


def silent_builds() -> list[Build]:
    """Those that nobody seems to be at work on. Each is named to one caller only, and again after SILENT_AFTER."""
    now = datetime.now(UTC)
    silent = Build.objects.filter(state__in=(State.QUEUED, State.RUNNING), seen_at__lt=now - SILENT_AFTER)
    return [each for each in silent if silent.filter(pk=each.pk).update(seen_at=now)]


def pending_build(training_file: TrainingFile) -> Build | None:
    """The one that is queued, at work, or stopped by a problem."""
    return Build.objects.filter(training_file=training_file, state__in=PENDING).first()


def ids_of(build: Build) -> list[str]:
    """All that it is to add, as long as it is pending."""
    ids: list[str] = orjson.loads(read_whole(build.ids_name, build.ids_sha256))
    return ids


def _must_be_ready(ids: Sequence[str]) -> None:
    if not ids:
        raise InvalidRequest("There is no conversation to add.", field="conversation_ids")
    must_be_named_once(ids)
    for some in batches(ids):
        ready(some)


def _write_ids(ids: Sequence[str]) -> tuple[str, str]:
    """Name and SHA-256 of the file."""
    key = uuid.uuid4().hex
    name = f"builds/{key[:2]}/{key}.json"
    return name, write_loose(name, orjson.dumps(ids))


def _queue(training_file: TrainingFile, ids: tuple[str, str], total: int, by: Actor) -> Build:
    now, (name, sha256) = datetime.now(UTC), ids
    keep([name])
    return Build.objects.create(
        training_file=training_file,
        requested_by=by.name,
        requested_at=now,
        seen_at=now,
        ids_name=name,
        ids_sha256=sha256,
        total=total,
    )


# --- Running it ------------------------------------------------------------------------------------------------------


def run_build(build_id: int, *, progress: Progress = silent) -> Build:
    """Do what is left of a build that is queued, was killed, or failed. Of one that is over, nothing.

    One that succeeded says in `problem` how many conversations are not there, because they were forgotten meanwhile.
    Raises what stopped it: what had been added stays, and run again it goes on there. Raises BuildStopped when somebody
    else went on with it, or ended it.
    """
    mark = uuid.uuid4().hex
    build = _taken(build_id, mark)
    if build.state != State.RUNNING:
        return build
    try:
        ids = ids_of(build)
        _add_all(build, ids, mark, progress)
        _succeed(build, mark, _left_out(build, ids))
    except Exception as error:  # whatever it was, people are to see it at the training file; then it is raised
        if not _is_mine(build, mark):
            raise BuildStopped(
                f"Build {build.pk} was taken over or ended by somebody else. What it had added is there."
            ) from error
        _fail(build, mark, error)
        raise
    build.refresh_from_db()
    return build


def _taken(build_id: int, mark: str) -> Build:
    with transaction.atomic():
        pending = Build.objects.filter(pk=build_id, state__in=PENDING)
        now = datetime.now(UTC)
        _lock(build_id)
        if pending.update(state=State.RUNNING, runner=mark, seen_at=now, finished_at=None, problem=""):
            TrainingFile.objects.filter(builds=build_id).update(status=Status.PROCESSING)
        build = Build.objects.filter(pk=build_id).first()
    if build is None:
        raise NotFound(f"There is no build {build_id}: its training file was deleted.")
    return build


def _lock(build_id: int) -> None:
    """First of all the training file's, as everybody does."""
    TrainingFile.objects.filter(builds=build_id).update(version=F("version"))


def _add_all(build: Build, ids: Sequence[str], mark: str, progress: Progress) -> None:
    done = build.done
    while done < build.total:
        progress("adding", done, build.total)
        some = ids[done : done + BATCH]
        done += len(some)
        _add_existing(build, some, partial(_advance, build, mark, done))
    progress("adding", done, build.total)


def _add_existing(build: Build, ids: Sequence[str], within: Callable[[], None]) -> None:
    """Without those that were forgotten since the build was asked for, be it at this moment."""
    existing = existing_ids(ids)
    while existing:
        try:
            add(build.training_file_id, existing, by=_BUILDER, statuses=_OPEN, within=within)
            return
        except InvalidRequest:
            before, existing = existing, existing_ids(existing)
            if existing == before:
                raise
    with change(build.training_file_id, by=_BUILDER, statuses=_OPEN, content=False):
        within()


def _left_out(build: Build, ids: Sequence[str]) -> str:
    """What people are told of those that the training file has not, after all were added; "" for none."""
    gone = build.total - sum(1 for _ in held_in(get_training_file(build.training_file_id), ids))
    return f"{counted(gone, 'conversation')} left out, forgotten since the build was asked for." if gone else ""


def _advance(build: Build, mark: str, done: int) -> None:
    mine = Build.objects.filter(pk=build.pk, state=State.RUNNING, runner=mark)
    if not mine.update(done=done, seen_at=datetime.now(UTC)):
        raise BuildStopped(f"Build {build.pk} is somebody else's by now. Nothing was changed.")


def _is_mine(build: Build, mark: str) -> bool:
    try:
        return Build.objects.filter(pk=build.pk, state=State.RUNNING, runner=mark).exists()
    except DatabaseError:  # it is the database that stopped it
        return True


def _succeed(build: Build, mark: str, left_out: str) -> None:
    with change(build.training_file_id, by=_BUILDER, statuses=_OPEN, content=False) as (locked, _):
        mine = Build.objects.filter(pk=build.pk, state=State.RUNNING, runner=mark)
        if not mine.update(state=State.SUCCEEDED, finished_at=datetime.now(UTC), ids_name="", problem=left_out):
            raise BuildStopped(f"Build {build.pk} is somebody else's by now. Nothing was changed.")
        let_go([build.ids_name])
        locked.status = Status.ACTIVE


def _fail(build: Build, mark: str, error: Exception) -> None:
    """In our own words where we have some: those of others may quote a conversation."""
    problem = str(error) if isinstance(error, TrainingFilesError) else describe(error)
    try:
        with transaction.atomic():
            _lock(build.pk)
            mine = Build.objects.filter(pk=build.pk, state=State.RUNNING, runner=mark)
            if mine.update(state=State.FAILED, finished_at=datetime.now(UTC), problem=problem[:_PROBLEM_CHARACTERS]):
                TrainingFile.objects.filter(pk=build.training_file_id).update(status=Status.FAILED)
    except DatabaseError as refused:
        logger.warning("That build %d failed could not be written down (%s).", build.pk, describe(refused))
