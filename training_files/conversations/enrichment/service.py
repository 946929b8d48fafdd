"""Runs of the enricher: each conversation by itself, resumable at every answer, any number of runs side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from capture_app.exceptions import BudgetSpent
from capture_app.progress import Progress, silent
from training_archive.shipping.exceptions import NotInStorage
from training_files.conversations.enrichment.asking import ConversationGone, NoAnswer, UselessAnswer, ask
from training_files.conversations.enrichment.claims import claim, is_held, keep_hold, let_fail, let_wait, running
from training_files.conversations.enrichment.filling import answered_turns, filled, spoken
from training_files.conversations.enrichment.steps import steps
from training_files.conversations.store import Arrival, get_conversation, replace_conversation
from training_files.exceptions import NotFound, PartDamaged
from training_files.lineage import erase_forgotten
from training_files.models import Conversation
from training_files.v4.conversation import EnrichedConversation
from training_files.v4.validation import faults_of_conversation

Enrichment = Conversation.Enrichment

_FAILURES_IN_A_ROW: Final = 3  # of a model that cannot be asked, after which a run ends


@dataclass(slots=True, kw_only=True)
class EnrichmentReport:
    """What a run did."""

    completed: int = 0
    completed_before: int = 0  # of those that were named
    elsewhere: int = 0  # another run is at work on them, or they came anew meanwhile
    failed: dict[str, str] = field(default_factory=dict)  # by id: the problem
    stopped: str = ""  # why the run ended before all were done; the others wait as they did


class _TakenOver(Exception):
    """The conversation is no longer ours."""


def enrich_conversations(conversation_ids: Sequence[str], *, by: str, progress: Progress = silent) -> EnrichmentReport:
    """Enrich those that are named, also where that failed before.

    Raises NotFound for an id that there is not; then nothing was done.
    """
    rows = [get_conversation(each) for each in dict.fromkeys(conversation_ids)]
    report = EnrichmentReport(completed_before=sum(row.enrichment_status == Enrichment.COMPLETED for row in rows))
    todo = [row.pk for row in rows if row.enrichment_status != Enrichment.COMPLETED]
    return _run(todo, by, report, progress)


def enrich_pending(
    *, by: str, failed: bool = False, limit: int | None = None, progress: Progress = silent
) -> EnrichmentReport:
    """Enrich all that wait for it, `limit` at most, also what a killed run left, and with `failed` what failed."""
    statuses = [Enrichment.PENDING, Enrichment.RUNNING, *([Enrichment.FAILED] if failed else [])]
    waiting = Conversation.objects.filter(enrichment_status__in=statuses).order_by("created_at", "pk")
    ids = list(waiting.values_list("pk", flat=True)[:limit])
    return _run(ids, by, EnrichmentReport(), progress)


def _run(ids: Sequence[str], by: str, report: EnrichmentReport, progress: Progress) -> EnrichmentReport:
    failures = 0
    with running() as mark:
        for number, conversation_id in enumerate(ids):
            progress("enriching conversations", number, len(ids))
            try:
                _enrich(conversation_id, mark, by, report)
                failures = 0
            except BudgetSpent as error:
                let_wait(conversation_id, mark, str(error))
                report.stopped = str(error)
                break
            except NoAnswer as error:
                _fail(conversation_id, mark, error, report)
                failures += 1
                if error.is_final or failures == _FAILURES_IN_A_ROW:
                    report.stopped = str(error)
                    break
            except (UselessAnswer, PartDamaged, NotInStorage) as error:
                _fail(conversation_id, mark, error, report)
        progress("enriching conversations", len(ids), len(ids))
    return report


def _fail(conversation_id: str, mark: str, error: Exception, report: EnrichmentReport) -> None:
    let_fail(conversation_id, mark, str(error))
    report.failed[conversation_id] = str(error)


def _enrich(conversation_id: str, mark: str, by: str, report: EnrichmentReport) -> None:
    row = Conversation.objects.filter(pk=conversation_id).first()
    if row is None or is_held(row) or row.enrichment_status == Enrichment.COMPLETED or not claim(row, mark):
        report.elsewhere += 1
        return

    def enriched(row: Conversation, stored: EnrichedConversation) -> Arrival:
        return Arrival(
            conversation=_answered(stored, mark),
            source=row.source,
            by=by,
            source_file=row.source_file,
            origin_sha256=row.origin_sha256,
        )

    try:
        replace_conversation(conversation_id, enriched)
    except (_TakenOver, ConversationGone, NotFound):
        report.elsewhere += 1
        return
    report.completed += 1
    erase_forgotten([conversation_id])


def _answered(conversation: EnrichedConversation, mark: str) -> EnrichedConversation:
    answers = {}
    for step in steps(spoken(conversation), answered_turns(conversation)):
        if not keep_hold(conversation.id, mark):
            raise _TakenOver
        answers[step.name] = ask(conversation.id, step)
    if not keep_hold(conversation.id, mark):
        raise _TakenOver
    found = filled(conversation, answers)
    faults = faults_of_conversation({"conversation_metadata": found.metadata, "training_pairs": found.pairs})
    if faults:
        raise UselessAnswer(f"Enriched, it would not be as version 4 has it: {faults[0]}.")
    return found
