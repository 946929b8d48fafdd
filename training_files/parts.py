"""Parts of a training file: written to the storage without any row, and put into rows by whoever holds the file's lock.

The text of a part is all that is needed to write it anew without some of its conversations, whatever has become of
those since.
"""

import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from django.db import models

from training_files.conversations.store import load_conversation
from training_files.describing import parts_in
from training_files.models import (
    Conversation,
    TrainingFile,
    TrainingFileConversation,
    TrainingFilePart,
    TrainingFileVersion,
)
from training_files.storage import keep, let_go, read_whole, write_loose
from training_files.v4.conversation import EnrichedConversation
from training_files.v4.figures import Figures, figures_of, total
from training_files.v4.writing import JSON_BETWEEN, JSONL_BETWEEN, json_item, jsonl_lines

FOLDER: Final = "parts"  # in the storage

_PART_BYTES: Final = 8 * 2**20  # of stored conversations, about as much as a part holds; so memory stays bounded
_MOST_CONVERSATIONS: Final = 1_000  # in a part
_AT_ONCE: Final = 1_000  # rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A conversation as a part has it."""

    conversation: EnrichedConversation
    sha256: str  # of its stored file


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPart:
    """A part in the storage, before any row names it."""

    stem: str
    json_bytes: int
    json_sha256: str
    jsonl_bytes: int
    jsonl_sha256: str
    figures: Figures
    members: Sequence[tuple[str, str]]  # id and SHA-256
    vertical: str  # of the first conversation that names one
    profile: Mapping[str, Any]  # of the first conversation that brings one

    @property
    def names(self) -> tuple[str, str]:
        return names_of(self.stem)


def names_of(stem: str) -> tuple[str, str]:
    """The names of a part's files in the storage."""
    return f"{stem}.json", f"{stem}.jsonl"


# --- Before the transaction ------------------------------------------------------------------------------------------


def write_parts(rows: Iterable[Conversation]) -> list[WrittenPart]:
    """Write these conversations, in this order, as one part or, when they are large, as several."""
    return [_write_part(_loaded(some)) for some in _portions(rows)]


def write_without(part: TrainingFilePart, unwanted: Collection[str]) -> WrittenPart | None:
    """Write the part anew without some of its conversations; None when none is left. Raises PartDamaged."""
    held = list(part.conversations.order_by("position").values_list("conversation_id", "sha256"))
    if all(each in unwanted for each, _ in held):
        return None
    stored = read_whole(names_of(part.stem)[0], part.json_sha256)
    items = orjson.loads(b"[%b]" % stored)
    return _write_part(
        Member(
            conversation=EnrichedConversation(metadata=item["conversation_metadata"], pairs=item["training_pairs"]),
            sha256=sha256,
        )
        for item, (conversation_id, sha256) in zip(items, held, strict=True)
        if conversation_id not in unwanted
    )


def _portions(rows: Iterable[Conversation]) -> Iterator[list[Conversation]]:
    portion: list[Conversation] = []
    size = 0
    for row in rows:
        if portion and (size + row.size > _PART_BYTES or len(portion) == _MOST_CONVERSATIONS):
            yield portion
            portion, size = [], 0
        portion.append(row)
        size += row.size
    if portion:
        yield portion


def _loaded(rows: Iterable[Conversation]) -> Iterator[Member]:
    return (Member(conversation=load_conversation(row), sha256=row.sha256) for row in rows)


def _write_part(members: Iterable[Member]) -> WrittenPart:
    """One conversation at a time is taken apart; together there are only their bytes."""
    items, lines, figures, held = [], [], [], []
    vertical = ""
    profile: Mapping[str, Any] = {}
    for member in members:
        conversation = member.conversation
        items.append(json_item(conversation))
        lines.append(jsonl_lines(conversation))
        figures.append(figures_of(conversation))
        held.append((conversation.id, member.sha256))
        vertical = vertical or conversation.vertical
        profile = profile or conversation.profile
    key = uuid.uuid4().hex
    stem = f"{FOLDER}/{key[:2]}/{key}"  # folders of bounded size
    json, jsonl = JSON_BETWEEN.join(items), JSONL_BETWEEN.join(each for each in lines if each)
    del items, lines
    json_name, jsonl_name = names_of(stem)
    return WrittenPart(
        stem=stem,
        json_bytes=len(json),
        json_sha256=write_loose(json_name, json),
        jsonl_bytes=len(jsonl),
        jsonl_sha256=write_loose(jsonl_name, jsonl),
        figures=total(figures),
        members=held,
        vertical=vertical,
        profile=profile,
    )


# --- In the transaction that holds the training file's lock ----------------------------------------------------------


def append_parts(version: TrainingFileVersion, written: Sequence[WrittenPart]) -> None:
    """Name the parts after all others of the version, and add to its figures. The version is not saved."""
    parts = TrainingFilePart.objects.filter(training_file=version.training_file)
    last = parts.aggregate(last=models.Max("position"))["last"]
    for position, part in enumerate(written, 0 if last is None else last + 1):
        _insert(version, part, position)
    _set_figures(version, total([Figures.from_json(version.figures), *(part.figures for part in written)]))
    version.part_count += len(written)
    version.json_bytes += sum(part.json_bytes for part in written)
    version.jsonl_bytes += sum(part.jsonl_bytes for part in written)
    version.jsonl_part_count += sum(part.jsonl_bytes > 0 for part in written)


def replace_part(version: TrainingFileVersion, old: TrainingFilePart, new: WrittenPart | None) -> None:
    """Name `new` where the version had `old`, which stays for the versions before it. Then `sum_up`."""
    if new is not None:
        _insert(version, new, old.position)
    if old.since == version.number:
        let_go(names_of(old.stem))
        old.delete()
    else:
        TrainingFilePart.objects.filter(pk=old.pk).update(until=version.number)


def sum_up(version: TrainingFileVersion) -> None:
    """Compute the figures of a version from its parts: the least and the greatest cannot be taken off again."""
    parts = parts_in(version.training_file, version.number)
    sums = parts.aggregate(
        count=models.Count("pk"),
        json=models.Sum("json_bytes", default=0),
        jsonl=models.Sum("jsonl_bytes", default=0),
        jsonl_count=models.Count("pk", filter=models.Q(jsonl_bytes__gt=0)),
    )
    figures = parts.values_list("figures", flat=True).iterator(chunk_size=_AT_ONCE)
    _set_figures(version, total(map(Figures.from_json, figures)))
    version.part_count, version.jsonl_part_count = sums["count"], sums["jsonl_count"]
    version.json_bytes, version.jsonl_bytes = sums["json"], sums["jsonl"]


def names_of_all(training_file: TrainingFile) -> Iterator[str]:
    """Of every file in the storage that a training file's parts name."""
    stems = training_file.parts.values_list("stem", flat=True).iterator(chunk_size=_AT_ONCE)
    return (name for stem in stems for name in names_of(stem))


def _insert(version: TrainingFileVersion, written: WrittenPart, position: int) -> None:
    row = TrainingFilePart.objects.create(
        training_file=version.training_file,
        position=position,
        since=version.number,
        stem=written.stem,
        json_bytes=written.json_bytes,
        json_sha256=written.json_sha256,
        jsonl_bytes=written.jsonl_bytes,
        jsonl_sha256=written.jsonl_sha256,
        figures=written.figures.to_json(),
    )
    TrainingFileConversation.objects.bulk_create(
        TrainingFileConversation(part=row, conversation_id=conversation_id, position=number, sha256=sha256)
        for number, (conversation_id, sha256) in enumerate(written.members)
    )
    keep(written.names)


def _set_figures(version: TrainingFileVersion, figures: Figures) -> None:
    version.figures = figures.to_json()
    version.quality_score = figures.score_mean
