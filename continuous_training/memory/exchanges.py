"""Exchanges that are not remembered yet: which they are, and what was said in them.

The index says which; what was said, and whose it was, is read from the example itself, for the index cuts long ids.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import orjson
from django.db.models import Exists, OuterRef, Q, QuerySet

from capture_app.conf import capture_settings
from capture_app.duckdb_files import with_enough_memory
from capture_app.example import RESERVED_KEY
from capture_app.files import scratch_directory
from capture_app.memory import MARK, is_usable_id
from capture_app.messages import to_json_text
from capture_app.models import ExampleIndex
from capture_app.progress import Progress
from continuous_training.memory.recalling import last_said
from continuous_training.memory.settings import REMEMBERS, TASK, memory_settings
from continuous_training.models import Memory
from training_archive.chunks import MEMORY_MB
from training_archive.conf import archive_settings
from training_archive.exports.forgotten import leave_out_forgotten
from training_archive.exports.options import BOTH, LIVE, NONE, ExportOptions
from training_archive.exports.sources import gather
from training_archive.exports.workspace import ALIAS, Workspace, open_workspace

_ROWS_AT_ONCE: Final = 50  # each may repeat its whole conversation
_MOST_REPEATED: Final = 100  # examples that one may say that it repeats
_CHARACTERS: Final = 4000  # of what was asked, and of what was answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What a user asked, and what was answered, each cut."""

    example_id: str
    user_id: str  # "": nobody's, of whom memories could be kept
    conversation_id: str
    created_at: datetime
    asked: str
    answered: str  # "": nothing that could be remembered
    repeats: Sequence[str]  # ids of examples that it says again

    @property
    def is_worth_it(self) -> bool:
        return bool(self.user_id and self.asked.strip() and self.answered.strip())


def unseen(after: tuple[datetime, str] | None, most: int) -> list[tuple[datetime, str]]:
    """(created_at, id) of examples of users that are not in Memory, the oldest first, from `after` on."""
    since = datetime.now(UTC) - memory_settings().lifetime
    rows = ExampleIndex.objects.exclude(user_id="").filter(created_at__gte=since)
    rows = rows.filter(~Exists(Memory.objects.filter(pk=OuterRef("pk"))))
    return list(_after(rows, after).order_by("created_at", "pk").values_list("created_at", "pk")[:most])


def _after(rows: "QuerySet[ExampleIndex]", after: tuple[datetime, str] | None) -> "QuerySet[ExampleIndex]":
    if after is None:
        return rows
    moment, pk = after
    return rows.filter(created_at__gte=moment).filter(Q(created_at__gt=moment) | Q(pk__gt=pk))


def read_exchanges(ids: Sequence[str], progress: Progress) -> list[Exchange]:
    """What was said in the examples, the oldest first. What was erased on request is missing.

    Most are still live or sealed; only for the others the archive is unpacked. Raises CaptureErrors and ArchiveErrors.
    """
    found: dict[str, Exchange] = {}
    for source in (LIVE, BOTH):
        missing = [example_id for example_id in ids if example_id not in found]
        if missing:
            options = ExportOptions(format="", source=source, ids=tuple(missing), dedupe=NONE)
            read = with_enough_memory(partial(_read, options, progress), MEMORY_MB)
            found |= {exchange.example_id: exchange for exchange in read}
    return sorted(found.values(), key=lambda each: (each.created_at, each.example_id))


def _read(options: ExportOptions, progress: Progress, memory_mb: int) -> list[Exchange]:
    with scratch_directory(capture_settings().data_dir) as scratch, open_workspace(scratch, memory_mb) as workspace:
        gather(workspace, options, archive_settings().zip_path.resolve(), progress, are_pairs=False)
        leave_out_forgotten(workspace)
        return list(_exchanges(workspace))


def _exchanges(workspace: Workspace) -> Iterator[Exchange]:
    query = (
        "SELECT e.id, e.task, e.created_at, e.prompt_text, e.response_strong, e.metadata "
        f"FROM {ALIAS}.keys AS k JOIN {ALIAS}.examples AS e ON e.rowid = k.row"
    )
    with closing(workspace.connection.cursor()) as cursor:
        found = cursor.execute(query)
        while rows := found.fetchmany(_ROWS_AT_ONCE):
            for example_id, task, created_at, prompt, answer, metadata in rows:
                moment = (created_at or datetime(1970, 1, 1)).replace(tzinfo=UTC)
                yield _exchange(example_id, task, moment, prompt or "", answer or "", _object(metadata))


def _exchange(
    example_id: str, task: str | None, moment: datetime, prompt: str, answer: str, metadata: Mapping[str, Any]
) -> Exchange:
    noted = metadata.get(RESERVED_KEY)
    noted = noted if isinstance(noted, dict) else {}
    user_id, conversation_id = noted.get("user_id"), noted.get("conversation_id")
    return Exchange(
        example_id=example_id,
        user_id=str(user_id) if type(user_id) in (str, int) and is_usable_id(str(user_id)) else "",
        conversation_id="" if conversation_id is None else str(conversation_id).replace("\0", " "),
        created_at=moment,
        asked=_asked(noted, prompt)[:_CHARACTERS].replace("\0", " "),
        answered=answer[:_CHARACTERS].replace("\0", " ") if _is_meant(task) and _is_whole(noted, answer) else "",
        repeats=_repeats(metadata.get(REMEMBERS) if task == TASK else None, noted.get(MARK)),
    )


def _is_meant(task: str | None) -> bool:
    tasks = memory_settings().tasks
    return task != TASK and (not tasks or task in tasks)


def _is_whole(noted: Mapping[str, Any], answer: str) -> bool:
    """Whether the answer is words, and all of them."""
    calls = noted.get("tool_calls")
    return not noted.get("partial") and not (calls and answer == to_json_text(calls))


def _asked(noted: Mapping[str, Any], prompt: str) -> str:
    """The user's last message; without what was recalled for it, which is no message of the user's."""
    messages = noted.get("messages")
    if not isinstance(messages, list) or not messages:
        return prompt
    return last_said([each for each in messages if isinstance(each, dict)])


def _repeats(remembers: Any, recalled: Any) -> list[str]:
    """Files from elsewhere may name anything there, and databases index no text of any length."""
    named = [remembers, *(recalled[:_MOST_REPEATED] if isinstance(recalled, list) else ())]
    return list(dict.fromkeys(each for each in named if isinstance(each, str) and is_usable_id(each)))


def _object(stored: str | None) -> dict[str, Any]:
    """Chunks come from elsewhere, too: what is no object counts as {}."""
    try:
        found = orjson.loads(stored or "{}")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
