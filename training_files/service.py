"""The verbs on training files. The API, the admin, commands and tasks call these and nothing below them.

Each is whole: it raises one of training_files.exceptions and leaves everything as it was, or it is done and saved.
None may be called within a transaction (ATOMIC_REQUESTS), because files are written before the rows that name them.
Long additions are in `builds`, downloads in `downloads`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from training_files import changing
from training_files.actors import Actor
from training_files.changing import ANY, Status, abandon_builds, change, must_be_named_once
from training_files.conf import training_files_settings
from training_files.creating import NewFile, create, name_must_be_free, name_taken_told, valid_name, valid_text
from training_files.describing import Described, conversations_in, describe, get_training_file, get_version
from training_files.exceptions import InvalidRequest
from training_files.finding import find_training_files
from training_files.models import JoinedFile, TrainingFile, TrainingFileConversation, TrainingFileVersion
from training_files.parts import names_of_all
from training_files.storage import let_go
from training_files.versions import VersionDiff, diff_versions

__all__ = [
    "Described",
    "VersionDiff",
    "add_conversations",
    "archive_training_file",
    "conversations_in",
    "create_training_file",
    "delete_training_file",
    "describe",
    "diff_versions",
    "find_training_files",
    "get_training_file",
    "get_version",
    "new_version",
    "remove_conversations",
    "rename_training_file",
    "reopen_training_file",
]


def create_training_file(
    name: str,
    *,
    conversation_ids: Sequence[str],
    by: Actor,
    description: str = "",
    vertical: str = "",
    consultant_profile: Mapping[str, Any] | None = None,
) -> TrainingFile:
    """Make a training file, version 1, of these conversations in this order; `by` is its owner.

    Without a vertical or a profile it takes those of the first conversation that has one, else the settings'. Raises
    InvalidRequest that names what is wrong, NameTaken.
    """
    given = NewFile(name=name, description=description, vertical=vertical, profile=consultant_profile)
    return create(given, _in_bounds(conversation_ids), by=by)


def add_conversations(file_id: UUID | str, conversation_ids: Sequence[str], *, by: Actor) -> TrainingFile:
    """Add them to the current version, after all others. What it costs grows with what is added.

    Raises NotFound, NotOwner, FileClosed; InvalidRequest that names those that are in it already, are unknown, or are
    not enriched.
    """
    return changing.add(file_id, _in_bounds(conversation_ids), by=by)


def remove_conversations(file_id: UUID | str, conversation_ids: Sequence[str], *, by: Actor) -> TrainingFile:
    """Remove them from the current version; older versions keep them. Raises as `add_conversations` does."""
    return changing.remove(file_id, _in_bounds(conversation_ids), by=by)


def rename_training_file(
    file_id: UUID | str, *, by: Actor, name: str | None = None, description: str | None = None
) -> TrainingFile:
    """None: as it is. Older versions keep the name that they had. Raises NotFound, NotOwner, NameTaken, FileClosed."""
    known = get_training_file(file_id)
    new_name = known.name if name is None else valid_name(name)
    is_renamed = new_name != known.name
    if is_renamed:
        by.must_be_allowed(known)
        name_must_be_free(new_name)
    with (
        name_taken_told(new_name),
        change(file_id, by=by, content=is_renamed) as (training_file, version),
    ):
        if description is not None:
            training_file.description = valid_text(description, "description")
        if is_renamed:
            training_file.name = version.file_name = new_name
    return training_file


def archive_training_file(file_id: UUID | str, *, by: Actor) -> TrainingFile:
    """Take it out of the lists; it stays, and takes no changes. Raises NotFound, NotOwner; FileClosed when a build
    is at work on it."""
    statuses = ANY - {Status.PROCESSING}
    with change(file_id, by=by, statuses=statuses, content=False) as (training_file, _):
        abandon_builds(training_file)
        training_file.status = Status.ARCHIVED
    return training_file


def reopen_training_file(file_id: UUID | str, *, by: Actor) -> TrainingFile:
    """Let it take changes again. A build that is at work on it, or has failed, ends with what it has added."""
    with change(file_id, by=by, statuses=ANY, content=False) as (training_file, _):
        abandon_builds(training_file)
        training_file.status = Status.ACTIVE
    return training_file


def delete_training_file(file_id: UUID | str, *, by: Actor) -> None:
    """With all its versions. A sweep removes the files from the storage once ORPHAN_HOURS are over."""
    known = get_training_file(file_id)
    with transaction.atomic():
        TrainingFile.objects.filter(pk=known.pk).update(updated_at=datetime.now(UTC))  # takes the lock
        training_file = changing.open_for(file_id, by=by, statuses=ANY)
        joined = JoinedFile.objects.filter(version__training_file=training_file).values_list("name", flat=True)
        abandon_builds(training_file)
        let_go([*names_of_all(training_file), *joined])
        TrainingFileConversation.objects.filter(part__training_file=training_file).delete()
        training_file.delete()


def new_version(file_id: UUID | str, *, by: Actor, note: str = "") -> TrainingFile:
    """Leave the current version as it is from now on, and go on with the next one, which begins as its equal."""
    valid_text(note, "note")
    now = datetime.now(UTC)
    with change(file_id, by=by, content=False) as (training_file, version):
        training_file.version += 1
        TrainingFileVersion.objects.create(
            training_file=training_file,
            number=training_file.version,
            created_at=now,
            created_by=by.name,
            note=note,
            updated_at=now,
            revision=1,
            file_name=version.file_name,
            figures=version.figures,
            quality_score=version.quality_score,
            part_count=version.part_count,
            json_bytes=version.json_bytes,
            jsonl_bytes=version.jsonl_bytes,
            jsonl_part_count=version.jsonl_part_count,
        )
    return training_file


def _in_bounds(conversation_ids: Sequence[str]) -> list[str]:
    """Raises InvalidRequest when there are none, too many, or some named twice."""
    ids = list(conversation_ids)
    most = training_files_settings().conversations_per_request
    if not 0 < len(ids) <= most:
        raise InvalidRequest(
            f"One request names 1 to {most} conversations, and this one {len(ids)}.", field="conversation_ids"
        )
    must_be_named_once(ids)
    return ids
