"""A training file comes to be: what it may be called, its first version, and what it is made of at first."""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from django.db import IntegrityError, transaction

from capture_app.exceptions import InvalidJudgment
from capture_app.judged_values import checked_name
from training_files.actors import Actor
from training_files.changing import Status, append, must_be_as_loaded, repeated, stale_when_taken_away
from training_files.conversations.store import ready
from training_files.exceptions import InvalidRequest, NameTaken
from training_files.models import TrainingFile, TrainingFileVersion
from training_files.parts import write_parts

LONGEST_NAME: Final = 255  # characters
LONGEST_TEXT: Final = 10_000  # characters, of a description, a note or a vertical
LARGEST_PROFILE: Final = 100_000  # bytes of JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """What a training file is called and is of. Raises InvalidRequest when that cannot be."""

    name: str
    description: str = ""
    vertical: str = ""  # "": that of its conversations
    profile: Mapping[str, Any] | None = None  # None: that of its conversations

    def __post_init__(self) -> None:
        valid_name(self.name)
        valid_text(self.description, "description")
        valid_text(self.vertical, "vertical")
        _profile_json(self.profile)


def create(given: NewFile, conversation_ids: Sequence[str], *, by: Actor) -> TrainingFile:
    """Raises NameTaken, and InvalidRequest for conversations that are unknown or not enriched."""
    return repeated(lambda: _create(given, conversation_ids, by))


def _create(given: NewFile, conversation_ids: Sequence[str], by: Actor) -> TrainingFile:
    name_must_be_free(given.name)
    rows = ready(conversation_ids)
    with stale_when_taken_away(lambda: must_be_as_loaded(rows)):
        written = write_parts(rows)

    def fill(training_file: TrainingFile, version: TrainingFileVersion) -> None:
        must_be_as_loaded(rows)
        append(training_file, version, written)
        version.revision = 1

    return insert(given, by=by, status=Status.ACTIVE, fill=fill)


def insert(
    given: NewFile, *, by: Actor, status: Status, fill: Callable[[TrainingFile, TrainingFileVersion], None]
) -> TrainingFile:
    """Insert the rows of a training file in one transaction with whatever `fill` does. Raises NameTaken."""
    now = datetime.now(UTC)
    training_file = TrainingFile(
        id=uuid.uuid4(),
        name=valid_name(given.name),
        description=given.description,
        status=status,
        owner=by.name,
        vertical=given.vertical.strip(),
        profile_json=_profile_json(given.profile),
        created_at=now,
        updated_at=now,
    )
    with name_taken_told(training_file.name), transaction.atomic():
        training_file.save(force_insert=True)
        version = TrainingFileVersion.objects.create(
            training_file=training_file,
            number=training_file.version,
            created_at=now,
            created_by=by.name,
            updated_at=now,
            file_name=training_file.name,
        )
        fill(training_file, version)
        version.save()
        training_file.save()
    return training_file


@contextmanager
def name_taken_told(name: str) -> Iterator[None]:
    """Around a whole transaction: the database's own refusal of a name, as NameTaken."""
    try:
        yield
    except IntegrityError as error:
        if TrainingFile.objects.filter(name=name).exists():
            raise _taken(name) from error
        raise


def name_must_be_free(name: str) -> None:
    """Raises NameTaken. That the name is unique in the database has the last word."""
    if TrainingFile.objects.filter(name=valid_name(name)).exists():
        raise _taken(name)


def _taken(name: str) -> NameTaken:
    return NameTaken(f"There is a training file {name!r} already. Nothing was changed; choose another name.")


def valid_name(name: str) -> str:
    """The name as it is kept, without blanks around it. Raises InvalidRequest."""
    try:
        return checked_name("name", name.strip(), most=LONGEST_NAME)
    except InvalidJudgment as error:
        raise InvalidRequest(
            f"A training file's name has 1 to {LONGEST_NAME} characters, on one line, and none that controls a "
            "terminal or the direction of text.",
            field="name",
        ) from error


def valid_text(value: str, field: str) -> str:
    """The text, if a database can keep it. Raises InvalidRequest."""
    if len(value) > LONGEST_TEXT or "\0" in value or not _is_unicode(value):
        raise InvalidRequest(
            f"The {field} has at most {LONGEST_TEXT:,} characters, no NUL and no lone surrogate.", field=field
        )
    return value


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _profile_json(profile: Mapping[str, Any] | None) -> str:
    """Raises InvalidRequest for what is no JSON, or too much of it."""
    try:
        written = orjson.dumps(profile or {})
    except (TypeError, orjson.JSONEncodeError) as error:
        raise InvalidRequest("The consultant profile is no JSON object.", field="consultant_profile") from error
    if len(written) > LARGEST_PROFILE:
        raise InvalidRequest(
            f"The consultant profile has at most {LARGEST_PROFILE:,} bytes of JSON.", field="consultant_profile"
        )
    return written.decode()
