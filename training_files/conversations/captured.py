"""Conversations out of captured examples that share a conversation id: in the shape of version 4, to be enriched.

The text comes from the live database, sealed files and the archive as an export reads it, each example once, with what
people said of it. What was erased on request is not among it. An answer that was cut off, or is a call of a tool and no
words, is part of what was said, but nothing to learn from, unless somebody corrected it.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import orjson
from django.db.models import Count, QuerySet

from capture_app.conf import capture_settings
from capture_app.duckdb_files import with_enough_memory
from capture_app.example import RESERVED_KEY
from capture_app.files import scratch_directory
from capture_app.messages import to_json_text
from capture_app.models import ExampleIndex, Review
from capture_app.progress import Progress, silent
from capture_app.services import drain_captures
from training_archive.chunks import MEMORY_MB
from training_archive.conf import archive_settings
from training_archive.exports.annotations import CORRECTION
from training_archive.exports.forgotten import leave_out_forgotten
from training_archive.exports.options import NONE, ExportOptions
from training_archive.exports.sources import gather
from training_archive.exports.workspace import ALIAS, Workspace, open_workspace
from training_archive.shipping.exceptions import NotInStorage
from training_files.conversations.dialogue import Answer, Turn, add_call, messages_of, pairs_of
from training_files.conversations.reviews import NOTES, REVIEWED, SCORE, keep_reviews, with_tier
from training_files.conversations.store import Arrival, batches, id_of_captured, replace_conversation, store_arrivals
from training_files.exceptions import PartDamaged
from training_files.lineage import erase_forgotten
from training_files.models import Conversation, ConversationExample
from training_files.v4.conversation import EnrichedConversation
from training_files.v4.reading import LONGEST_PIECE

MOST_TURNS: Final = 200  # each pair repeats all turns before it
ENRICHES: Final = "enriches_conversation"  # the key in `metadata` of a call by which a conversation was enriched

# Why something is left out.
CUT_OFF, NO_ANSWER, TOOL_CALL = "answers that were cut off", "examples without an answer", "answers that call a tool"
TOO_LONG, NOTHING_LEFT = "conversations that are too long", "conversations without an answer to learn from"
IMPORTED = "conversations that were imported under the same id, which stay as they are"
LOST = "conversations of which examples are gone since, which stay as they are"
DAMAGED = "conversations whose stored file is damaged or gone; restore the storage from a backup"

_EXAMPLES_AT_ONCE: Final = 200_000  # that are copied out of the archive in one pass, and that a conversation may have
_CONVERSATIONS_AT_ONCE: Final = 10_000  # counted
_ROWS_AT_ONCE: Final = 50  # each may repeat its whole conversation
_CONVERSATION: Final = f"(metadata->>'$.{RESERVED_KEY}.conversation_id')"
_SCORES: Final = {Review.Verdict.GOOD.value: 4, Review.Verdict.BAD.value: 1}  # of 5, as the format words them


@dataclass(slots=True, kw_only=True)
class CapturedReport:
    """What became of the captured conversations."""

    added: int = 0
    unchanged: int = 0
    changed: list[str] = field(default_factory=list)  # ids; each took the place of what was stored
    left_out: Counter[str] = field(default_factory=Counter)  # by reason
    forgotten: int = 0  # conversations that were erased on request at the same time


def conversations_from_captures(
    *,
    by: str,
    conversation_ids: Sequence[str] = (),
    tasks: Sequence[str] = (),
    since: datetime | None = None,
    progress: Progress = silent,
) -> CapturedReport:
    """Make a conversation, with all of its turns, of each captured one that has an example of one of the tasks, and one
    since then; none named: of all. They wait to be enriched.

    One that is stored already, and has not gone on, stays as it is. So does one that was imported, and one of which
    examples are gone by now: what could be made of the rest would be less than what is there.
    Raises CaptureErrors and ArchiveErrors where the examples cannot be read.
    """
    drain_captures(progress=progress)
    report = CapturedReport()
    for some in _passes(_wanted(conversation_ids, tasks, since), report.left_out):
        with_enough_memory(partial(_take, some, by, report, progress), MEMORY_MB)
    return report


def _wanted(conversation_ids: Sequence[str], tasks: Sequence[str], since: datetime | None) -> Iterator[tuple[str, int]]:
    """Captured conversations, and how many examples each has."""
    rows = ExampleIndex.objects.exclude(conversation_id="")
    named = [rows.filter(conversation_id__in=some) for some in batches(dict.fromkeys(conversation_ids))]
    for some in named or [rows]:
        meant = some.filter(task__in=tasks) if tasks else some
        meant = meant.filter(created_at__gte=since) if since else meant
        whole = rows.filter(conversation_id__in=meant.values("conversation_id")) if tasks or since else meant
        yield from _counted(whole)


def _counted(rows: QuerySet[ExampleIndex]) -> Iterator[tuple[str, int]]:
    """Each page is a question of its own: a cursor that stays open during a pass would keep SQLite's writers out."""
    counted = rows.order_by("conversation_id").values_list("conversation_id").annotate(Count("pk"))
    page = list(counted[:_CONVERSATIONS_AT_ONCE])
    while page:
        yield from page
        page = list(counted.filter(conversation_id__gt=page[-1][0])[:_CONVERSATIONS_AT_ONCE])


def _passes(conversations: Iterable[tuple[str, int]], left_out: Counter[str]) -> Iterator[list[str]]:
    """As many conversations as are looked for in one pass over the archive."""
    some: list[str] = []
    examples = 0
    for conversation_id, count in conversations:
        if count > _EXAMPLES_AT_ONCE:
            left_out[TOO_LONG] += 1
            continue
        some.append(conversation_id)
        examples += count
        if examples >= _EXAMPLES_AT_ONCE:
            yield some
            some, examples = [], 0
    if some:
        yield some


def _take(conversation_ids: Sequence[str], by: str, report: CapturedReport, progress: Progress, memory_mb: int) -> None:
    """What an earlier try with less memory had stored is found unchanged."""
    counts = CapturedReport()
    ids = [
        each
        for some in batches(conversation_ids)
        for each in ExampleIndex.objects.filter(conversation_id__in=some).values_list("pk", flat=True)
    ]
    with scratch_directory(capture_settings().data_dir) as scratch, open_workspace(scratch, memory_mb) as workspace:
        options = ExportOptions(format="", ids=tuple(ids), dedupe=NONE)
        gather(workspace, options, archive_settings().zip_path.resolve(), progress, are_pairs=False)
        leave_out_forgotten(workspace)
        for done, (name, examples) in enumerate(groupby(_examples(workspace), key=itemgetter("conversation"))):
            progress("putting conversations together", done, len(conversation_ids))
            _store(name, examples, by, counts)
    progress("putting conversations together", len(conversation_ids), len(conversation_ids))
    report.added += counts.added
    report.unchanged += counts.unchanged
    report.changed += counts.changed
    report.left_out += counts.left_out
    # Once more: also what an earlier run had stored when it was killed.
    report.forgotten += counts.forgotten + erase_forgotten([id_of_captured(each) for each in conversation_ids])


_COLUMNS: Final = (
    *("conversation", "id", "created_at", "system_prompt", "prompt_text", "response_strong", "metadata"),
    *("usable", "corrected"),
)


def _examples(workspace: Workspace) -> Iterator[dict[str, Any]]:
    """One conversation after the other, each in the order of time."""
    query = (
        f"SELECT {_CONVERSATION}, e.id, e.created_at, e.system_prompt, e.prompt_text, e.response_strong, e.metadata, "
        f"e.usable, e.corrected FROM {ALIAS}.keys AS k JOIN {ALIAS}.examples AS e ON e.rowid = k.row "
        f"WHERE coalesce({_CONVERSATION}, '') <> '' AND (metadata->'$.{ENRICHES}') IS NULL ORDER BY 1, 3, 2"
    )
    with closing(workspace.connection.cursor()) as cursor:
        found = cursor.execute(query)
        while rows := found.fetchmany(_ROWS_AT_ONCE):
            for name, *rest in rows:  # the index, and PostgreSQL, have no NUL
                yield dict(zip(_COLUMNS, (name.replace("\0", " "), *rest), strict=True))


# --- One conversation ------------------------------------------------------------------------------------------------


def _store(name: str, examples: Iterable[Mapping[str, Any]], by: str, report: CapturedReport) -> None:
    made = _conversation(name, examples, report.left_out)
    if made is None:
        return
    conversation, example_ids = made
    content = conversation.to_bytes()
    if len(content) > LONGEST_PIECE:
        report.left_out[TOO_LONG] += 1
        return
    arrival = Arrival(
        conversation=conversation,
        source=Conversation.Source.CAPTURED,
        by=by,
        source_file=name,
        status=Conversation.Enrichment.PENDING,
        origin_sha256=hashlib.sha256(content).hexdigest(),
        example_ids=example_ids,
    )
    known = Conversation.objects.filter(pk=conversation.id).first()
    if known is not None and known.origin_sha256 == arrival.origin_sha256:
        report.unchanged += 1
    elif known is not None and (reason := _why_it_stays(known, example_ids)):
        report.left_out[reason] += 1
    else:
        _put(arrival, known, report)


def _why_it_stays(known: Conversation, example_ids: Iterable[str]) -> str:
    if known.source == Conversation.Source.IMPORTED:
        return IMPORTED
    noted = ConversationExample.objects.filter(conversation=known.pk).values_list("example_id", flat=True)
    return LOST if set(noted) - set(example_ids) else ""


def _put(arrival: Arrival, known: Conversation | None, report: CapturedReport) -> None:
    if known is None:
        store_arrivals([arrival])
        report.added += 1
    else:
        try:
            replace_conversation(known.pk, partial(_instead, arrival))
        except (PartDamaged, NotInStorage):  # the others are not to wait for it
            report.left_out[DAMAGED] += 1
            return
        report.changed.append(known.pk)
    report.forgotten += erase_forgotten([arrival.conversation.id])


def _instead(arrival: Arrival, row: Conversation, stored: EnrichedConversation) -> Arrival:
    """It has gone on, or an answer was corrected. What is known of the whole still holds."""
    conversation = keep_reviews(stored, arrival.conversation)
    metadata = {**conversation.metadata, "scaffolding": stored.metadata.get("scaffolding", {})}
    return replace(arrival, conversation=replace(conversation, metadata=metadata))


def _conversation(
    name: str, examples: Iterable[Mapping[str, Any]], left_out: Counter[str]
) -> tuple[EnrichedConversation, list[str]] | None:
    turns: list[Turn] = []
    ids: list[str] = []
    begun: datetime | None = None
    for example in examples:
        metadata = _object(example["metadata"])
        noted = metadata.get(RESERVED_KEY)
        noted = noted if isinstance(noted, dict) else {}
        answer = _answer(example, metadata, noted, left_out)
        if len(turns) <= MOST_TURNS:  # of what is longer only the rest is read, to come to the next
            turns = add_call(turns, messages_of(noted, example["prompt_text"] or ""), answer)
        ids.append(answer.example_id)
        begun = begun or example["created_at"]
    if len(turns) > MOST_TURNS:
        left_out[TOO_LONG] += 1
        return None
    if not any(turn.answer and turn.answer.target is not None for turn in turns):
        left_out[NOTHING_LEFT] += 1
        return None
    found = id_of_captured(name)
    pairs = _bounded(pairs_of(found, _judged(turns)))
    if pairs is None:
        left_out[TOO_LONG] += 1
        return None
    metadata = {
        "conversation_id": found,
        "source_file": f"conversation_{found}.json",
        "created_date": begun.date().isoformat() if begun else None,
        "total_turns": len(turns),
        "quality_tier": "",
        "scaffolding": {},
    }
    return with_tier(EnrichedConversation(metadata=metadata, pairs=pairs)), ids


def _bounded(pairs: Iterable[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """None when they are too large: of long turns all pairs together may be many times what the memory holds."""
    kept: list[dict[str, Any]] = []
    size = 0
    for pair in pairs:
        size += len(orjson.dumps(pair))
        if size > LONGEST_PIECE:
            return None
        kept.append(pair)
    return kept


def _answer(
    example: Mapping[str, Any], metadata: Mapping[str, Any], noted: Mapping[str, Any], left_out: Counter[str]
) -> Answer:
    said = example["response_strong"] or ""
    calls = noted.get("tool_calls")
    corrected = metadata.get(CORRECTION) if example["corrected"] else None
    reason = ""
    if corrected is None:
        if not example["usable"] or example["corrected"]:  # DuckDB reads some JSON that is none, NaN in it
            reason = CUT_OFF if said else NO_ANSWER
        elif calls and said == to_json_text(calls):
            reason = TOOL_CALL
    if reason:
        left_out[reason] += 1
    return Answer(
        example_id=example["id"],
        text=said,
        target=None if reason else said if corrected is None else corrected,
        is_corrected=corrected is not None,
        system_prompt=example["system_prompt"] or "",
    )


def _object(stored: str | None) -> dict[str, Any]:
    """Chunks come from elsewhere, too: what is no object counts as {}."""
    try:
        found = orjson.loads(stored or "{}")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _judged(turns: Sequence[Turn]) -> list[Turn]:
    """With what people said of the answers: a verdict is a review, and worth a score; a correction is a person's."""
    ids = [turn.answer.example_id for turn in turns if turn.answer]
    reviews = {review.pk: review for some in batches(ids) for review in Review.objects.filter(pk__in=some)}
    return [_with_review(turn, reviews) for turn in turns]


def _with_review(turn: Turn, reviews: Mapping[str, Review]) -> Turn:
    review = reviews.get(turn.answer.example_id) if turn.answer else None
    if turn.answer is None or review is None or not (review.verdict or review.correction):
        return turn
    said: dict[str, Any] = {REVIEWED: True, NOTES: review.comment or None}
    if not turn.answer.is_corrected and review.verdict:
        said[SCORE] = _SCORES[review.verdict]
    return replace(turn, answer=replace(turn.answer, training=said))
