"""Conversations in the storage, and the rows that repeat what is in them: both are changed here and nowhere else.

A stored file is never changed. What changes a conversation writes a new one, and one transaction then lets the row name
that, and the old one go. So a row always names a whole file, and a kill leaves at most a file that a sweep removes.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any, Final

from django.db import transaction

from training_files.exceptions import ChangedMeanwhile, InvalidRequest, NotFound, SweptAway
from training_files.models import Conversation, ConversationExample, EnrichmentAnswer
from training_files.storage import keep, let_go, read_whole, write_loose
from training_files.v4.conversation import EnrichedConversation, text
from training_files.v4.figures import figures_of

FOLDER: Final = "conversations"  # in the storage

_IDS_AT_ONCE: Final = 900  # in one question; SQLite may be built to take 999 at most
_MOST_TURNS: Final = 2**31 - 1  # that a column takes
_NAMED: Final = 20  # ids in a message
_ATTEMPTS: Final = 10  # to change what others change, too
_SPACE: Final = uuid.UUID("b1a5f7d2-64b8-5d3e-8f0c-6d6f5d0f9e77")  # of ids that are made of other ids

# What a stored file decides of its row.
_COLUMNS: Final = (
    *("source", "source_file", "updated_at", "created_date", "changed_by"),
    *("enrichment_status", "enrichment_problem", "enriched_file_path", "sha256", "origin_sha256", "size"),
    *("turns", "pairs", "quality_score", "quality_tier", "reviewed_pairs"),
    *("persona_key", "persona_name", "emotional_arc_key", "emotional_arc", "training_topic_key", "training_topic"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A conversation to be stored under its id, instead of what was there."""

    conversation: EnrichedConversation
    source: str  # of Conversation.Source
    by: str
    source_file: str = ""  # the name under which it came
    status: str = Conversation.Enrichment.COMPLETED
    problem: str = ""
    origin_sha256: str = ""  # of what came in; "": of what is stored
    example_ids: Sequence[str] | None = None  # captured ones that it was made from; None: those that are known


def id_of_captured(conversation_id: str) -> str:
    """The id of the conversation made of the captured one: the same if that is a UUID, else one made of it."""
    try:
        return str(uuid.UUID(conversation_id))
    except ValueError:
        return str(uuid.uuid5(_SPACE, conversation_id))


def store_conversation(
    conversation: EnrichedConversation,
    *,
    source: str,
    by: str,
    source_file: str = "",
    status: str = Conversation.Enrichment.COMPLETED,
) -> Conversation:
    """Store it under its id, instead of what was there. Not within a transaction."""
    arrival = Arrival(conversation=conversation, source=source, by=by, source_file=source_file, status=status)
    store_arrivals([arrival])
    return get_conversation(conversation.id)


def store_arrivals(arrivals: Sequence[Arrival], *, instead_of: Mapping[str, str] | None = None) -> None:
    """Store some, each id once: all of them, or none. Not within a transaction.

    `instead_of` has the SHA-256 of the stored file by id; ChangedMeanwhile is raised where that is another one by now.
    """
    for _ in range(_ATTEMPTS):
        with suppress(SweptAway):
            _store_once(arrivals, instead_of)
            return
    raise ChangedMeanwhile("What is written is swept away all the time. Nothing was changed; do it again.")


def _store_once(arrivals: Sequence[Arrival], instead_of: Mapping[str, str] | None) -> None:
    if not arrivals:
        return
    # In one order, so that of two who store the same ones none waits for the other forever.
    ordered = sorted(arrivals, key=lambda arrival: arrival.conversation.id)
    written = [(arrival, *_write(arrival.conversation)) for arrival in ordered]
    rows = [_row(arrival, name, sha256, size) for arrival, name, sha256, size in written]
    with transaction.atomic():
        _give_up_old_files(rows, instead_of)
        Conversation.objects.bulk_create(rows, update_conflicts=True, unique_fields=["id"], update_fields=_COLUMNS)
        _note_examples(arrivals)
        keep(name for _, name, *_ in written)


def _write(conversation: EnrichedConversation) -> tuple[str, str, int]:
    """Its name in the storage, its SHA-256 and its size."""
    content, name = conversation.to_bytes(), uuid.uuid4().hex
    path = f"{FOLDER}/{name[:2]}/{name}.json"
    return path, write_loose(path, content), len(content)


def _give_up_old_files(rows: Sequence[Conversation], instead_of: Mapping[str, str] | None) -> None:
    """Lock the rows and let their files go. The first statement writes, so that SQLite, too, lets nobody in between."""
    ids = [row.pk for row in rows]
    if instead_of is None:
        stubs = [
            Conversation(pk=each.pk, created_at=each.created_at, updated_at=each.updated_at, added_by=each.added_by)
            for each in rows
        ]
        Conversation.objects.bulk_create(stubs, ignore_conflicts=True)
    else:
        Conversation.objects.filter(pk__in=ids).update(updated_at=datetime.now(UTC))
    old = Conversation.objects.select_for_update().filter(pk__in=ids).order_by("pk")
    files = {row.pk: (row.enriched_file_path, row.sha256) for row in old}
    if instead_of is not None and {each: sha256 for each, (_, sha256) in files.items()} != instead_of:
        raise ChangedMeanwhile(
            "The conversation was changed by somebody else meanwhile. Nothing was changed; do it again."
        )
    let_go(path for path, _ in files.values() if path)


def _note_examples(arrivals: Iterable[Arrival]) -> None:
    """Beside those of earlier times, which older versions of training files may still hold."""
    for arrival in arrivals:
        if arrival.example_ids:
            known = ConversationExample.objects.filter(conversation=arrival.conversation.id)
            before = set(known.values_list("example_id", flat=True))
            added = (each for each in dict.fromkeys(arrival.example_ids) if each not in before)
            ConversationExample.objects.bulk_create(
                ConversationExample(conversation_id=arrival.conversation.id, position=position, example_id=example_id)
                for position, example_id in enumerate(added, len(before))
            )


def _row(arrival: Arrival, name: str, sha256: str, size: int) -> Conversation:
    conversation, now = arrival.conversation, datetime.now(UTC)
    figures = figures_of(conversation)
    return Conversation(
        id=conversation.id,
        source=arrival.source,
        source_file=arrival.source_file,
        created_at=now,
        updated_at=now,
        created_date=_date(conversation.metadata.get("created_date")),
        added_by=arrival.by,
        changed_by=arrival.by,
        enrichment_status=arrival.status,
        enrichment_problem=arrival.problem,
        enriched_file_path=name,
        sha256=sha256,
        origin_sha256=arrival.origin_sha256 or sha256,
        size=size,
        turns=_turns(conversation),
        pairs=figures.pairs,
        quality_score=figures.score_mean,
        quality_tier=text(conversation.metadata.get("quality_tier")),
        reviewed_pairs=figures.reviewed,
        **conversation.scaffolding,
    )


def _turns(conversation: EnrichedConversation) -> int:
    told = conversation.metadata.get("total_turns")
    return told if isinstance(told, int) and 0 <= told <= _MOST_TURNS else len(conversation.pairs)


def _date(value: Any) -> date | None:
    """What is no date is not known; it stays in the stored file as it is."""
    with suppress(ValueError):
        return date.fromisoformat(text(value)[:10])
    return None


def change_conversation(
    conversation_id: str,
    change: Callable[[EnrichedConversation], EnrichedConversation],
    *,
    by: str,
    status: str | None = None,
    problem: str = "",
) -> Conversation:
    """Store what `change` makes of the conversation; see replace_conversation."""

    def changed(row: Conversation, stored: EnrichedConversation) -> Arrival:
        return Arrival(
            conversation=change(stored),
            source=row.source,
            by=by,
            source_file=row.source_file,
            status=row.enrichment_status if status is None else status,
            problem=row.enrichment_problem if status is None else problem,
            origin_sha256=row.origin_sha256,
        )

    return replace_conversation(conversation_id, changed)


def replace_conversation(
    conversation_id: str, replacement: Callable[[Conversation, EnrichedConversation], Arrival]
) -> Conversation:
    """Store what `replacement` makes of what is stored. Whoever changes it at the same time loses nothing: it is called
    again with what they made. Not within a transaction. Raises NotFound."""
    for _ in range(_ATTEMPTS):
        row = get_conversation(conversation_id)
        arrival = replacement(row, load_conversation(row))
        with suppress(ChangedMeanwhile):
            store_arrivals([arrival], instead_of={row.pk: row.sha256})
            return get_conversation(conversation_id)
    raise ChangedMeanwhile(f"{conversation_id} is being changed by others all the time. Nothing was changed.")


def get_conversation(conversation_id: str) -> Conversation:
    row = Conversation.objects.filter(pk=conversation_id).first()
    if row is None:
        raise NotFound(f"There is no conversation {shown_ids([conversation_id])}.")
    return row


def load_conversation(row: Conversation) -> EnrichedConversation:
    """What is stored. Raises NotFound when nothing is yet, PartDamaged or NotInStorage when it is not what was stored.

    The row may be older than what it was read from: then its file is there still, until a sweep finds it old.
    """
    if row.enriched_file_path is None:
        raise NotFound(f"Nothing is stored of the conversation {shown_ids([row.pk])}.")
    return EnrichedConversation.from_bytes(read_whole(row.enriched_file_path, row.sha256))


def ready(ids: Sequence[str]) -> list[Conversation]:
    """Those that may go into a training file, in the order asked for.

    Raises InvalidRequest that names those that do not exist, or are not enriched.
    """
    rows = {row.pk: row for some in batches(ids) for row in Conversation.objects.filter(pk__in=some)}
    unknown = [each for each in ids if each not in rows]
    if unknown:
        raise InvalidRequest(
            f"There are no such conversations: {shown_ids(unknown)}.",
            field="conversation_ids",
            conversation_ids=unknown,
        )
    unready = [each for each in ids if not is_ready(rows[each])]
    if unready:
        raise InvalidRequest(
            f"Only conversations whose enrichment is completed can be used; it is not of {shown_ids(unready)}.",
            field="conversation_ids",
            conversation_ids=unready,
        )
    return [rows[each] for each in ids]


def is_ready(row: Conversation) -> bool:
    return row.enrichment_status == Conversation.Enrichment.COMPLETED and row.enriched_file_path is not None


def delete_conversations(ids: Sequence[str]) -> list[str]:
    """Delete them; the names of their files, which a sweep removes. What training files hold of them stays there."""
    names: list[str] = []
    for some in batches(ids):
        with transaction.atomic():
            rows = Conversation.objects.filter(pk__in=some)
            rows.update(updated_at=datetime.now(UTC))  # takes the lock before anything is read
            found = [name for name in rows.values_list("enriched_file_path", flat=True) if name]
            EnrichmentAnswer.objects.filter(conversation__in=some).update(answer=None)
            rows.delete()
            let_go(found)
        names += found
    return names


def batches(ids: Iterable[str]) -> Iterable[list[str]]:
    """As many as one question to the database may name."""
    remaining = iter(ids)
    while some := list(islice(remaining, _IDS_AT_ONCE)):
        yield some


def shown_ids(ids: Sequence[str]) -> str:
    """For a message: not too many of them, and none with what a terminal or a log would obey."""
    shown = ", ".join(each[:100] if each.isprintable() else ascii(each[:100]) for each in ids[:_NAMED])
    return f"{shown} and {len(ids) - _NAMED} more" if len(ids) > _NAMED else shown
