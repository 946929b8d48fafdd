"""Choosing the examples that are held out: reviewed ones that no export has taken yet, nor anything that asks the same.

The order in which they are considered depends on the seed and on their ids alone. So a run that is repeated chooses the
same, and examples that come later do not push out those that were chosen.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

import orjson
from django.db import transaction

from capture_app.conf import capture_settings
from capture_app.duckdb_files import with_enough_memory
from capture_app.example import RESERVED_KEY
from capture_app.files import scratch_directory
from capture_app.judgments import CORRECTION
from capture_app.known import forgotten_ids
from capture_app.messages import build_messages
from capture_app.models import Feedback, Review
from capture_app.progress import Progress, silent
from capture_app.services import drain_captures
from continuous_training.evaluation.items import SETTINGS, GoldItem, columns_of, content_hash, is_text, keepable
from continuous_training.evaluation.scorers.fields import faults_in_specs
from continuous_training.evaluation.scorers.json_fields import json_object
from continuous_training.exceptions import EvaluationRefused
from continuous_training.exporting.locking import exports_locked
from continuous_training.models import ExportedExample, HeldOutExample
from training_archive.chunks import MEMORY_MB
from training_archive.conf import archive_settings
from training_archive.exports.forgotten import leave_out_forgotten
from training_archive.exports.formats.base import Refused
from training_archive.exports.formats.messages import checked_messages
from training_archive.exports.options import NONE, ExportOptions
from training_archive.exports.sources import gather
from training_archive.exports.workspace import ALIAS, Workspace, open_workspace
from training_archive.held_out import HeldOutIndex, HeldOutPrompt

SEED: Final = 42

# Why a reviewed example is not held out.
GONE: Final = "no longer in live database or archive"
NO_ANSWER: Final = "no whole answer"
TOOL_CALL: Final = "the answer calls a tool"
ATTACHMENTS: Final = "asks about an image or a file"
ODD: Final = "cannot be asked again"
SPECS: Final = "slot_specs do not fit the answer"
TWICE: Final = "asks the same as another"
EXPORTED: Final = "an export has taken what asks the same"

_CATEGORY_KEYS: Final = ("category", "page_type")  # of metadata, the first that holds a text
_AT_ONCE: Final = 500  # rows, in one statement to Django's database
_COLUMNS: Final = ("id", "system_prompt", "prompt_text", "response_strong", "metadata", "slot_specs")


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldOutReport:
    """What a run held out."""

    task: str
    new: int
    held_out: int  # of the task, with those from before
    wanted: int
    reviewed: int  # examples that were there to choose from
    left_out: Mapping[str, int] = field(default_factory=dict)  # of those that were looked at, by reason


def hold_out(
    task: str, *, count: int | None = None, share: float | None = None, seed: int = SEED, progress: Progress = silent
) -> HoldOutReport:
    """Hold out examples until there are `count` of the task, or this `share` of its reviewed ones.

    Reviewed is what a person found good, or corrected. Where there are too few, all are taken that can be. Raises
    EvaluationRefused for numbers that make no sense, JobBusy while an export or another such run is at work, and
    ArchiveError and others when something cannot be read: nothing is held out then.
    """
    _check(count, share)
    with exports_locked():  # an export decides at the same time what it takes
        drain_captures(progress=progress)
        reviewed = _reviewed(task)
        before = HeldOutExample.objects.filter(task=task).count()
        wanted = count if count is not None else round((share or 0) * (len(reviewed) + before))
        left_out: Counter[str] = Counter()
        new = 0
        if wanted > before and reviewed:
            chosen, left_out = _choose(task, reviewed, wanted - before, seed, progress)
            new = _store(task, chosen)
    return HoldOutReport(
        task=task, new=new, held_out=before + new, wanted=wanted, reviewed=len(reviewed), left_out=dict(left_out)
    )


def _check(count: int | None, share: float | None) -> None:
    if (count is None) == (share is None):
        raise EvaluationRefused("Say either how many examples are to be held out, or which share. Nothing was changed.")
    if (count is not None and count < 1) or (share is not None and not 0 < share <= 1):
        raise EvaluationRefused("A number is 1 at least, a share above 0 and 1 at most. Nothing was changed.")


def _reviewed(task: str) -> set[str]:
    """Ids of examples that a person found good or corrected, that no export has taken, and that are not held out."""
    good = Review.objects.filter(example__task=task).exclude(verdict="", correction="")
    found = set(good.exclude(verdict=Review.Verdict.BAD, correction="").values_list("pk", flat=True))
    corrected = Feedback.objects.filter(example__task=task).exclude(correction="")
    found |= set(corrected.values_list("example_id", flat=True))
    for taken in (ExportedExample.objects.exclude(pair_hash=""), HeldOutExample.objects.all()):
        found -= set(taken.filter(task=task).values_list("pk", flat=True))
    return found


# --- Choosing --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Candidate:
    item: GoldItem
    content_hash: str
    user_id: str
    conversation_id: str


def _choose(
    task: str, reviewed: set[str], count: int, seed: int, progress: Progress
) -> tuple[list[_Candidate], Counter[str]]:
    """So many of them, and why others are none."""
    exported = set(ExportedExample.objects.filter(task=task).exclude(pair_hash="").values_list("pk", flat=True))
    known = set(HeldOutExample.objects.filter(task=task).values_list("content_hash", flat=True))
    options = ExportOptions(format="extraction", ids=tuple(sorted(reviewed | exported)), dedupe=NONE)
    ranked = sorted(reviewed, key=lambda each: sha256(f"{seed} {each}".encode()).digest())

    def work(memory_mb: int) -> tuple[list[_Candidate], Counter[str]]:
        with (
            scratch_directory(capture_settings().data_dir) as scratch,
            open_workspace(scratch, memory_mb) as workspace,
        ):
            gather(workspace, options, archive_settings().zip_path, progress, are_pairs=False)
            leave_out_forgotten(workspace)
            workspace.execute(f"CREATE TABLE {ALIAS}.ranked (rank BIGINT, id VARCHAR)")
            workspace.insert("ranked", ("BIGINT", "VARCHAR"), enumerate(ranked))
            return _chosen(workspace, task, count, {*known}, progress)

    return with_enough_memory(work, MEMORY_MB)


def _chosen(
    workspace: Workspace, task: str, count: int, known: set[str], progress: Progress
) -> tuple[list[_Candidate], Counter[str]]:
    chosen: list[_Candidate] = []
    left_out: Counter[str] = Counter()
    columns = ", ".join(f"e.{name}" for name in _COLUMNS)
    query = (
        f"SELECT {columns}, k.usable, k.row IS NULL FROM {ALIAS}.ranked AS r LEFT JOIN {ALIAS}.keys AS k "
        f"ON k.id = r.id LEFT JOIN {ALIAS}.examples AS e ON e.rowid = k.row ORDER BY r.rank"
    )
    for batch in workspace.batches(query):
        progress("choosing examples", len(chosen), count)
        different = _different(batch, known, left_out)
        taught = _taught(workspace, task, different)
        for number, candidate in enumerate(different):
            if len(chosen) == count:
                return chosen, left_out
            if number in taught:
                left_out[EXPORTED] += 1
            else:
                chosen.append(candidate)
    return chosen, left_out


def _different(batch: Sequence[tuple[Any, ...]], known: set[str], left_out: Counter[str]) -> list[_Candidate]:
    """Those that can be asked, each prompt once; `known` and `left_out` grow."""
    found: list[_Candidate] = []
    for row in batch:
        candidate = _candidate(row)
        if isinstance(candidate, _Candidate) and candidate.content_hash in known:
            candidate = TWICE
        if isinstance(candidate, str):
            left_out[candidate] += 1
        else:
            known.add(candidate.content_hash)
            found.append(candidate)
    return found


def _taught(workspace: Workspace, task: str, candidates: Sequence[_Candidate]) -> set[int]:
    """The places of those that an example asks which an export has taken, exactly or nearly."""
    index = HeldOutIndex(HeldOutPrompt(task, each.item.prompt) for each in candidates)
    query = (
        f"SELECT prompt_text FROM {ALIAS}.keys AS k JOIN {ALIAS}.examples AS e ON e.rowid = k.row "
        f"WHERE k.id NOT IN (SELECT id FROM {ALIAS}.ranked)"
    )
    return {number for (text,) in workspace.rows(query) for number in index.numbers_of(text or "")}


def _candidate(row: Sequence[Any]) -> _Candidate | str:
    """What would be held out, or why it is not."""
    *columns, is_usable, is_gone = row
    if is_gone:
        return GONE
    example = dict(zip(_COLUMNS, columns, strict=True))
    metadata, specs = (_object(example[name]) for name in ("metadata", "slot_specs"))
    facts = metadata.get(RESERVED_KEY)
    facts = facts if isinstance(facts, dict) else {}
    correction = metadata.get(CORRECTION)
    is_corrected = isinstance(correction, str) and bool(correction)
    if not is_usable:
        return NO_ANSWER
    if facts.get("tool_calls") and not is_corrected:
        return TOOL_CALL
    messages = _messages(example, facts)
    if isinstance(messages, str):
        return messages
    item = GoldItem(
        messages=messages,
        expected=str(correction) if is_corrected else example["response_strong"],
        category=_category(metadata),
        slot_specs=specs,
        settings={key: facts[key] for key in SETTINGS if facts.get(key)},
        example_id=example["id"],
    )
    if specs and (any(faults_in_specs(specs)) or json_object(item.expected) is None):
        return SPECS
    whose = (str(facts.get(key) or "") for key in ("user_id", "conversation_id"))
    return _Candidate(item, content_hash(item.prompt), *whose)


def _messages(example: Mapping[str, Any], facts: Mapping[str, Any]) -> list[Any] | str:
    """What was asked, or why that cannot be asked again."""
    given = facts.get("messages") or build_messages(example["prompt_text"] or "", None, example["system_prompt"])
    try:
        messages = checked_messages(given)
    except Refused:
        return ODD
    if not is_text(messages) or facts.get("blobs"):
        return ATTACHMENTS
    asks = bool(messages) and messages[-1]["role"] in ("user", "tool") and bool((example["prompt_text"] or "").strip())
    return messages if asks else ODD


def _category(metadata: Mapping[str, Any]) -> str:
    named = (metadata.get(key) for key in _CATEGORY_KEYS)
    return next((name for name in named if isinstance(name, str) and name), "")


def _object(text: str | None) -> dict[str, Any]:
    try:
        value = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


# --- Writing it down -------------------------------------------------------------------------------------------------


def _store(task: str, chosen: Sequence[_Candidate]) -> int:
    """How many are held out. One that was forgotten meanwhile is not: whoever forgets has either seen it, or has
    written down what is looked for here."""
    rows = list(_rows(task, chosen))
    with transaction.atomic():
        HeldOutExample.objects.bulk_create(rows, batch_size=_AT_ONCE)
        forgotten = forgotten_ids([row.pk for row in rows])
        HeldOutExample.objects.filter(pk__in=forgotten).delete()
    return len(rows) - len(forgotten)


def _rows(task: str, chosen: Sequence[_Candidate]) -> Iterator[HeldOutExample]:
    now = datetime.now(UTC)
    for each in chosen:
        yield HeldOutExample(
            id=each.item.example_id,
            task=task,
            content_hash=each.content_hash,
            user_id=keepable(each.user_id),
            conversation_id=keepable(each.conversation_id),
            held_out_at=now,
            **columns_of(each.item),
        )
