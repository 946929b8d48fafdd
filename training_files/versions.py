"""How two versions of a training file differ. What it costs grows with the difference, not with the versions."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from training_files.describing import get_training_file, get_version, in_version
from training_files.models import TrainingFileConversation, TrainingFilePart


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDiff:
    """Ids of conversations, each list in the order of the files."""

    added: list[str]  # in the new version only
    removed: list[str]  # in the old version only
    changed: list[str]  # in both, with other contents


def diff_versions(file_id: UUID | str, old: int, new: int) -> VersionDiff:
    """From the version `old` to the version `new`, which may be the older one. Raises NotFound."""
    training_file = get_training_file(file_id)
    for number in (old, new):
        get_version(training_file, number)
    parts = TrainingFilePart.objects.filter(training_file=training_file)
    before = _held_by(parts.filter(in_version(old)).exclude(in_version(new)))
    after = _held_by(parts.filter(in_version(new)).exclude(in_version(old)))
    return VersionDiff(
        added=[each for each in after if each not in before],
        removed=[each for each in before if each not in after],
        changed=[each for each in after if each in before and before[each] != after[each]],
    )


def _held_by(parts: QuerySet[TrainingFilePart]) -> dict[str, str]:
    """The SHA-256 of each conversation, by its id."""
    rows = TrainingFileConversation.objects.filter(part__in=parts).order_by("part__position", "position")
    return dict(rows.values_list("conversation_id", "sha256").iterator(chunk_size=2_000))
