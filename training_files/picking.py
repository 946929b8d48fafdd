"""Conversations that a person picked come into a training file: at once where they are few, else by a build."""

from collections.abc import Sequence
from dataclasses import dataclass

from training_files.actors import Actor
from training_files.builds import send, start_build, start_new_build
from training_files.conf import training_files_settings
from training_files.creating import NewFile
from training_files.models import Build, TrainingFile
from training_files.service import add_conversations, create_training_file


@dataclass(frozen=True, slots=True)
class Put:
    """Where they are, or are going to be."""

    training_file: TrainingFile
    build: Build | None  # None: they are there


def put_into(
    conversation_ids: Sequence[str],
    *,
    by: Actor,
    training_file: TrainingFile | None = None,
    name: str = "",
    description: str = "",
) -> Put:
    """Add them to the training file, or make a new one of that name. Raises as the verbs of `service` do."""
    if len(conversation_ids) > training_files_settings().conversations_per_request:
        build = _queued(conversation_ids, by, training_file, name, description)
        send(build)
        return Put(build.training_file, build)
    if training_file is not None:
        return Put(add_conversations(training_file.pk, conversation_ids, by=by), None)
    return Put(create_training_file(name, conversation_ids=conversation_ids, by=by, description=description), None)


def _queued(ids: Sequence[str], by: Actor, training_file: TrainingFile | None, name: str, description: str) -> Build:
    if training_file is not None:
        return start_build(training_file.pk, conversation_ids=ids, by=by)
    return start_new_build(NewFile(name=name, description=description), conversation_ids=ids, by=by)
