"""How a training file is changed: files first, under new names; then one transaction, which begins by taking the lock.

What others do at the same time is therefore seen before anything of it is built upon, and a change that is refused, or
killed, leaves the rows as they were. Not within a transaction of the caller's.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final, TypeVar
from uuid import UUID

import orjson
from django.db import transaction

from training_archive.shipping.exceptions import NotInStorage
from training_files.actors import Actor
from training_files.conf import training_files_settings
from training_files.conversations.store import batches, ready, shown_ids
from training_files.describing import get_training_file, get_version, parts_in
from training_files.exceptions import ChangedMeanwhile, FileClosed, InvalidRequest, SweptAway
from training_files.models import (
    Build,
    Conversation,
    TrainingFile,
    TrainingFileConversation,
    TrainingFilePart,
    TrainingFileVersion,
)
from training_files.parts import WrittenPart, append_parts, replace_part, sum_up, write_parts, write_without
from training_files.storage import let_go

Status = TrainingFile.Status
OPEN: Final = frozenset({Status.ACTIVE})
ANY: Final = frozenset(Status)
PENDING: Final = (Build.State.QUEUED, Build.State.RUNNING, Build.State.FAILED)  # of builds that may go on

_ATTEMPTS: Final = 20  # to change what others change, too
_CLOSED: Final = {
    Status.ACTIVE: "is not being built any more. Nothing was changed.",
    Status.ARCHIVED: "is archived. Nothing was changed; open it again first.",
    Status.PROCESSING: "is being built. Nothing was changed; wait for that, or open it again, which ends the build.",
    Status.FAILED: "is half built. Nothing was changed; let the build go on, or open it again, which ends the build.",
}

T = TypeVar("T")


class Stale(Exception):
    """What was written is of a state that is past."""


def repeated(attempt: Callable[[], T]) -> T:
    """What `attempt` returns. It is made again when somebody else was faster: Stale, or SweptAway by who forgets."""
    for _ in range(_ATTEMPTS):
        try:
            return attempt()
        except (Stale, SweptAway):
            continue
    raise ChangedMeanwhile("Others change the same thing all the while. Nothing was changed; do it again.")


@contextmanager
def stale_when_taken_away(check: Callable[[], None]) -> Iterator[None]:
    """Around reading what may be let go meanwhile. Who forgets takes it out of the storage at once: then `check` raises
    Stale. Else the storage has lost it, and NotInStorage says so."""
    try:
        yield
    except NotInStorage:
        with transaction.atomic():
            check()
        raise


@contextmanager
def change(
    file_id: UUID | str, *, by: Actor, statuses: Collection[Status] = OPEN, content: bool = True
) -> Iterator[tuple[TrainingFile, TrainingFileVersion]]:
    """A transaction that holds the training file's lock, and saves it and its current version at the end.

    `content`: the current version becomes another one. Raises NotFound, NotOwner, FileClosed.
    """
    now = datetime.now(UTC)
    known = get_training_file(file_id)
    with transaction.atomic():
        TrainingFile.objects.filter(pk=known.pk).update(updated_at=now)  # takes the lock, SQLite's too
        training_file = open_for(file_id, by=by, statuses=statuses)
        version = get_version(training_file)
        yield training_file, version
        if content:
            version.revision += 1
            version.updated_at = now
            _drop_joined(version)
            version.save()
        training_file.save()


def open_for(file_id: UUID | str, *, by: Actor, statuses: Collection[Status] = OPEN) -> TrainingFile:
    """The training file, if this actor may change it as it is. Raises NotFound, NotOwner, FileClosed."""
    training_file = get_training_file(file_id)
    by.must_be_allowed(training_file)
    status = Status(training_file.status)
    if status not in statuses:
        raise FileClosed(f"The training file {training_file.name!r} {_CLOSED[status]}")
    return training_file


def _drop_joined(version: TrainingFileVersion) -> None:
    joined = version.joined_files.all()
    names = list(joined.values_list("name", flat=True))
    if names:
        joined.delete()
        let_go(names)


def abandon_builds(training_file: TrainingFile) -> None:
    """End what is not over of them. Whoever is at work on one notices at its next batch, which is not added."""
    pending = Build.objects.filter(training_file=training_file, state__in=PENDING)
    names = list(pending.values_list("ids_name", flat=True))
    if names:
        let_go(names)
        pending.update(state=Build.State.ABANDONED, finished_at=datetime.now(UTC), ids_name="")


# --- Adding ----------------------------------------------------------------------------------------------------------


def add(
    file_id: UUID | str,
    conversation_ids: Sequence[str],
    *,
    by: Actor,
    statuses: Collection[Status] = OPEN,
    within: Callable[[], None] = lambda: None,
) -> TrainingFile:
    """Add them after all others. `within` is called in the transaction, under the lock, and may refuse by raising."""
    return repeated(lambda: _add(file_id, conversation_ids, by, statuses, within))


def _add(
    file_id: UUID | str,
    conversation_ids: Sequence[str],
    by: Actor,
    statuses: Collection[Status],
    within: Callable[[], None],
) -> TrainingFile:
    must_be_new(open_for(file_id, by=by, statuses=statuses), conversation_ids)
    rows = ready(conversation_ids)
    with stale_when_taken_away(lambda: must_be_as_loaded(rows)):
        written = write_parts(rows)
    with change(file_id, by=by, statuses=statuses) as (training_file, version):
        must_be_new(training_file, conversation_ids)
        must_be_as_loaded(rows)
        append(training_file, version, written)
        within()
    return training_file


def append(training_file: TrainingFile, version: TrainingFileVersion, written: Sequence[WrittenPart]) -> None:
    """Name the parts after all others. The first ones say what the training file is of, where nobody has said it."""
    if version.revision == 0 and not version.part_count:
        chosen = training_files_settings()
        verticals = (part.vertical for part in written if part.vertical)
        training_file.vertical = training_file.vertical or next(verticals, chosen.vertical)
        if not training_file.consultant_profile:
            profile = next((part.profile for part in written if part.profile), chosen.consultant_profile)
            training_file.profile_json = orjson.dumps(profile).decode()
    append_parts(version, written)


def must_be_named_once(conversation_ids: Sequence[str]) -> None:
    """Raises InvalidRequest that names those that are named twice."""
    twice = [each for each, times in Counter(conversation_ids).items() if times > 1]
    if twice:
        raise InvalidRequest(
            f"Named more than once: {shown_ids(twice)}.", field="conversation_ids", conversation_ids=twice
        )


def must_be_new(training_file: TrainingFile, conversation_ids: Sequence[str]) -> None:
    """Raises InvalidRequest that names those that the current version has already."""
    present = {found for found, _ in held_in(training_file, conversation_ids)}
    if present:
        named = [each for each in conversation_ids if each in present]
        raise InvalidRequest(
            f"Conversations already in training file: {shown_ids(named)}.",
            field="conversation_ids",
            conversation_ids=named,
        )


def held_in(training_file: TrainingFile, conversation_ids: Sequence[str]) -> Iterator[tuple[str, int]]:
    """(id, primary key of its part) of those of the conversations that the current version has."""
    for some in batches(conversation_ids):
        # By the conversations first: they are few, the parts many.
        found = TrainingFileConversation.objects.filter(conversation_id__in=some)
        rows = list(found.values_list("conversation_id", "part_id"))
        parts = parts_in(training_file, training_file.version).filter(pk__in={part for _, part in rows})
        current = set(parts.values_list("pk", flat=True))
        yield from (row for row in rows if row[1] in current)


def must_be_as_loaded(rows: Sequence[Conversation]) -> None:
    """Raises Stale when a conversation is gone, or another one by now: nobody's text outlives its being forgotten."""
    expected = {row.pk: row.sha256 for row in rows}
    for some in batches(sorted(expected)):
        found = Conversation.objects.select_for_update().filter(pk__in=some).order_by("pk")
        if dict(found.values_list("pk", "sha256")) != {each: expected[each] for each in some}:
            raise Stale


# --- Removing --------------------------------------------------------------------------------------------------------


def remove(
    file_id: UUID | str, conversation_ids: Sequence[str], *, by: Actor, statuses: Collection[Status] = OPEN
) -> TrainingFile:
    """Remove them from the current version. Raises InvalidRequest that names those that it has not."""
    return repeated(lambda: _remove(file_id, conversation_ids, by, statuses))


def _remove(
    file_id: UUID | str, conversation_ids: Sequence[str], by: Actor, statuses: Collection[Status]
) -> TrainingFile:
    known = open_for(file_id, by=by, statuses=statuses)
    held = dict(held_in(known, conversation_ids))
    missing = [each for each in conversation_ids if each not in held]
    if missing:
        raise InvalidRequest(
            f"Conversations not in training file: {shown_ids(missing)}.",
            field="conversation_ids",
            conversation_ids=missing,
        )
    parts = set(held.values())
    with stale_when_taken_away(lambda: _must_have(known, parts)):
        found = TrainingFilePart.objects.filter(pk__in=parts).order_by("position")
        replaced = [(part, write_without(part, held)) for part in found]
    with change(file_id, by=by, statuses=statuses) as (training_file, version):
        _must_have(training_file, parts)
        for old, new in replaced:
            replace_part(version, old, new)
        sum_up(version)
    return training_file


def _must_have(training_file: TrainingFile, parts: Collection[int]) -> None:
    """Raises Stale when the current version has not all of these parts any more."""
    present = parts_in(training_file, training_file.version).filter(pk__in=parts)
    if present.count() != len(parts):
        raise Stale
