"""What a training file is, and what is in it: reading only, in the same way for each of its versions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import F, Q, QuerySet

from training_files.exceptions import NotFound
from training_files.models import TrainingFile, TrainingFileConversation, TrainingFilePart, TrainingFileVersion
from training_files.v4.figures import Figures
from training_files.v4.writing import JSON_BETWEEN, JSONL_BETWEEN, Heading, json_head, json_tail, jsonl_head

_AT_ONCE = 2_000  # rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A version of a training file, as it was at one moment."""

    file: TrainingFile
    version: TrainingFileVersion
    figures: Figures
    parts: int  # how many it is joined of
    json_bytes: int  # of the whole file, as it is downloaded
    jsonl_bytes: int

    @property
    def heading(self) -> Heading:
        return _heading(self.file, self.version)

    def size(self, format: str) -> int:  # noqa: A002  (as the API calls it)
        """In bytes, of the whole file in the format "json" or "jsonl"."""
        return self.json_bytes if format == "json" else self.jsonl_bytes


def get_training_file(file_id: UUID | str) -> TrainingFile:
    """Raises NotFound."""
    try:
        return TrainingFile.objects.get(pk=file_id)
    except (TrainingFile.DoesNotExist, ValidationError) as error:  # what is no UUID is no file's, either
        raise NotFound(f"There is no training file {str(file_id)[:80]!r}.") from error


def get_version(training_file: TrainingFile, number: int | None = None) -> TrainingFileVersion:
    """That of a number, or the current one. Raises NotFound."""
    wanted = training_file.version if number is None else number
    found = training_file.versions.filter(number=wanted).first()
    if found is None:
        raise NotFound(f"The training file {training_file.name!r} has no version {wanted}.")
    return found


def describe(training_file: TrainingFile, number: int | None = None) -> Described:
    """A version, by default the current one, at the same cost whatever its size. Raises NotFound."""
    return describe_version(training_file, get_version(training_file, number))


def describe_all(training_files: Sequence[TrainingFile]) -> list[Described]:
    """The current version of each, with one question to the database for all of them."""
    current = Q(training_file__version=F("number"), training_file__in=training_files)
    versions = {each.training_file_id: each for each in TrainingFileVersion.objects.filter(current)}
    return [describe_version(each, versions[each.pk]) for each in training_files if each.pk in versions]


def describe_version(training_file: TrainingFile, version: TrainingFileVersion) -> Described:
    figures = Figures.from_json(version.figures)
    heading = _heading(training_file, version)
    json_frame = len(json_head(heading, figures)) + len(json_tail(figures))
    json_joints = len(JSON_BETWEEN) * max(0, version.part_count - 1)
    jsonl_joints = len(JSONL_BETWEEN) * version.jsonl_part_count  # the head is a line, too
    return Described(
        file=training_file,
        version=version,
        figures=figures,
        parts=version.part_count,
        json_bytes=json_frame + version.json_bytes + json_joints,
        jsonl_bytes=len(jsonl_head(heading, figures)) + version.jsonl_bytes + jsonl_joints,
    )


def _heading(training_file: TrainingFile, version: TrainingFileVersion) -> Heading:
    return Heading(
        file_name=version.file_name,
        created_at=training_file.created_at,
        updated_at=version.updated_at,
        vertical=training_file.vertical,
        profile=training_file.consultant_profile,
    )


def in_version(number: int, prefix: str = "") -> Q:
    """The parts that a version has; `prefix` leads to the part, as in "part__"."""
    gone = Q(**{f"{prefix}until__isnull": True}) | Q(**{f"{prefix}until__gt": number})
    return Q(**{f"{prefix}since__lte": number}) & gone


def parts_in(training_file: TrainingFile, number: int) -> QuerySet[TrainingFilePart]:
    """The parts of a version, in their order."""
    return TrainingFilePart.objects.filter(in_version(number), training_file=training_file).order_by("position")


def conversations_in(
    file_id: UUID | str, *, number: int | None = None, offset: int = 0, limit: int | None = None
) -> Iterator[tuple[str, str]]:
    """(id, SHA-256 of its stored file) of each conversation of a version, in their order. Raises NotFound, at once."""
    training_file = get_training_file(file_id)
    version = get_version(training_file, number)
    rows = (
        TrainingFileConversation.objects.filter(in_version(version.number, "part__"), part__training_file=training_file)
        .order_by("part__position", "position")
        .values_list("conversation_id", "sha256")
    )
    return rows[offset : None if limit is None else offset + limit].iterator(chunk_size=_AT_ONCE)
