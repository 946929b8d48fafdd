"""Conversations out of files: individual enriched ones, and full training files of any size.

A file is read to its end before anything of it is taken in: one fault, and nothing is. What is sound waits in a scratch
file, so that memory stays bounded. Then it is stored, some conversations in each transaction. A killed import is done
again: what is stored already has the same content, and the same content changes nothing, whatever has been made of it
here since.
"""

import hashlib
import os
import re
import stat
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final

import orjson

from capture_app.conf import capture_settings
from capture_app.files import scratch_directory
from capture_app.progress import Progress, silent
from training_files.conversations.reviews import keep_reviews, with_tier
from training_files.conversations.store import Arrival, replace_conversation, store_arrivals
from training_files.exceptions import InvalidConversation, TrainingFilesError
from training_files.models import Conversation
from training_files.v4.conversation import SCAFFOLDING, EnrichedConversation, text
from training_files.v4.reading import Piece
from training_files.v4.validation import FULL, MOST_FAULTS, Examined, Fault, examine, json_path

_AT_ONCE: Final = 100  # conversations in a transaction
_BYTES_AT_ONCE: Final = 16 * 2**20  # and in memory
_SPACE: Final = uuid.UUID("6f1d8d3c-3f0e-5bb0-9a55-8f4f6c3f2a11")  # of ids that are made of content
_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)

# What input_parameters may call a fact of the scaffolding; and what the pairs do.
_PARAMETERS: Final = {
    "emotional_arc": ("emotional_arc", "emotional_arc_name"),
    "training_topic": ("training_topic", "training_topic_name"),
}
_IN_PAIRS: Final = {"persona_key": "persona_archetype", "persona_name": "client_persona"}


@dataclass(slots=True, kw_only=True)
class ImportReport:
    """What became of the files, and of the conversations in them."""

    files: int = 0  # that were taken in whole
    added: int = 0  # conversations
    unchanged: int = 0
    changed: list[str] = field(default_factory=list)  # ids; each took the place of what was stored
    refused: dict[str, list[str]] = field(default_factory=dict)  # by file: its faults


def import_conversations(paths: Sequence[Path], *, by: str, progress: Progress = silent) -> ImportReport:
    """Take in files, and all that are called *.json in folders. One that has a fault is refused, the others are not.

    Raises TrainingFilesError when a path is neither a file nor a folder; then nothing is taken in.
    """
    found = [file for path in paths for file in _files_at(path)]
    report = ImportReport()
    with scratch_directory(capture_settings().data_dir) as scratch:
        for number, path in enumerate(found):
            progress("importing files", number, len(found))
            _import_file(path, scratch, by, report, progress)
        progress("importing files", len(found), len(found))
    return report


def import_individual(content: bytes, *, name: str, by: str) -> tuple[str, bool]:
    """Take in an individual enriched file called `name`: the conversation's id, and whether it is a new one.

    One that is stored already is replaced, as by `import_conversations`. Raises InvalidConversation.
    """
    examined = examine(BytesIO(content))
    faults = [str(fault) for fault in examined.faults]
    if not faults and examined.kind == FULL:
        faults = ["$: it is a full training file, and here an individual one is taken in"]
    if faults:
        raise InvalidConversation(name, faults[:MOST_FAULTS])
    conversation, report = _individual(examined.head, name), ImportReport()
    _store([(conversation, conversation.to_bytes())], name, by, report)
    return conversation.id, report.added == 1


def _files_at(path: Path) -> list[Path]:
    try:
        kind = path.stat().st_mode
    except OSError as error:
        raise TrainingFilesError(f"{path} cannot be read: {error.strerror}. Nothing was imported.") from error
    if stat.S_ISDIR(kind):
        return sorted(each for each in path.rglob("*") if each.suffix.lower() == ".json" and each.is_file())
    if not stat.S_ISREG(kind):  # a pipe or a device would never end
        raise TrainingFilesError(f"{path} is neither a file nor a folder. Nothing was imported.")
    return [path]


def _import_file(path: Path, scratch: Path, by: str, report: ImportReport, progress: Progress) -> None:
    with path.open("rb") as file, TemporaryFile(dir=scratch) as spool:
        intake = _Intake(spool)
        examined = examine(file, intake.add)
        faults = [*examined.faults, *intake.faults]
        if faults:
            report.refused[shown_path(path)] = [str(fault) for fault in faults[:MOST_FAULTS]]
            return
        name = shown_path(Path(path.name))
        conversations = intake.conversations(examined) if examined.kind == FULL else [_individual(examined.head, name)]
        done = 0
        for some in _batches(iter(conversations)):
            _store(some, name, by, report)
            done += len(some)
            if examined.conversations > 1:
                progress("storing conversations", done, examined.conversations)
    report.files += 1


def shown_path(path: Path) -> str:
    """A path may hold bytes that are no text."""
    return os.fsencode(path).decode("utf-8", "replace")


class _Intake:
    """The conversations of a full file, on disk until the file is known to be sound."""

    def __init__(self, spool: IO[bytes]) -> None:
        self._spool = spool
        self._places: dict[str, tuple[str | int, ...]] = {}  # by id
        self.faults: list[Fault] = []

    def add(self, piece: Piece) -> None:
        item: dict[str, Any] = piece.value
        item["conversation_metadata"] = metadata = _identified(item)
        first = self._places.setdefault(metadata["conversation_id"], piece.path)
        if first == piece.path:
            self._spool.write(orjson.dumps(item, option=orjson.OPT_APPEND_NEWLINE))
        elif len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(json_path(piece.path), f"it has the id of {json_path(first)}"))

    def conversations(self, examined: Examined) -> Iterator[EnrichedConversation]:
        profile = examined.head["consultant_profile"]
        vertical = text(examined.head["training_file_metadata"].get("vertical"))
        self._spool.seek(0)
        for line in self._spool:
            item = orjson.loads(line)
            yield EnrichedConversation(
                metadata=item["conversation_metadata"],
                pairs=item["training_pairs"],
                profile=profile,
                vertical=vertical,
            )


def _identified(item: Mapping[str, Any]) -> dict[str, Any]:
    """conversation_metadata with the conversation's id, first where it is missing."""
    metadata: dict[str, Any] = item["conversation_metadata"]
    if "conversation_id" in metadata:
        return metadata
    return {"conversation_id": _id_in(text(metadata.get("source_file"))) or _id_of(item["training_pairs"]), **metadata}


def _individual(head: Mapping[str, Any], name: str) -> EnrichedConversation:
    """An individual enriched file as a full file would have it. `name` is the file's."""
    known, pairs = head["dataset_metadata"], head["training_pairs"]
    called = text(known.get("dataset_name"))
    found_id = text(known.get("conversation_id")) or _id_in(called) or _id_in(name) or _id_of(pairs)
    metadata = {
        "conversation_id": found_id,
        "source_file": f"{called}.json" if called else name,
        "created_date": text(known.get("created_date")) or None,
        "batch_id": text(known.get("batch_id")) or None,
        "total_turns": known.get("total_turns", len(pairs)),
        "quality_tier": text(known.get("quality_tier")) or None,
        "scaffolding": _scaffolding(head.get("input_parameters", {}), pairs),
    }
    conversation = EnrichedConversation(
        metadata={key: value for key, value in metadata.items() if value is not None},
        pairs=pairs,
        profile=head.get("consultant_profile", {}),
        vertical=text(known.get("vertical")),
    )
    return conversation if "quality_tier" in conversation.metadata else with_tier(conversation)


def _scaffolding(parameters: Mapping[str, Any], pairs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What the conversation is about: as its parameters have it, else as the first pair that says it."""
    return {
        name: _parameter(parameters, name) or _said_in_pairs(pairs, _IN_PAIRS.get(name, name)) for name in SCAFFOLDING
    }


def _parameter(parameters: Mapping[str, Any], name: str) -> str:
    return next((found for key in _PARAMETERS.get(name, (name,)) if (found := text(parameters.get(key)))), "")


def _said_in_pairs(pairs: Sequence[Mapping[str, Any]], name: str) -> str:
    return next((found for pair in pairs if (found := text(pair.get("conversation_metadata", {}).get(name)))), "")


def _id_in(name: str) -> str:
    """The last UUID in a name: `fp_conversation_<uuid>`."""
    found = _UUID.findall(name)
    return found[-1].lower() if found else ""


def _id_of(pairs: Sequence[Mapping[str, Any]]) -> str:
    return str(uuid.uuid5(_SPACE, hashlib.sha256(orjson.dumps(pairs)).hexdigest()))


# --- Storing ---------------------------------------------------------------------------------------------------------


def _batches(conversations: Iterator[EnrichedConversation]) -> Iterator[list[tuple[EnrichedConversation, bytes]]]:
    """Some at a time, each with its bytes."""
    batch: list[tuple[EnrichedConversation, bytes]] = []
    size = 0
    for conversation in conversations:
        batch.append((conversation, conversation.to_bytes()))
        size += len(batch[-1][1])
        if len(batch) == _AT_ONCE or size >= _BYTES_AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _store(batch: Sequence[tuple[EnrichedConversation, bytes]], name: str, by: str, report: ImportReport) -> None:
    arrivals = {
        conversation.id: Arrival(
            conversation=conversation,
            source=Conversation.Source.IMPORTED,
            by=by,
            source_file=name,
            origin_sha256=hashlib.sha256(content).hexdigest(),
        )
        for conversation, content in batch
    }
    known = dict(Conversation.objects.filter(pk__in=arrivals).values_list("pk", "origin_sha256"))
    store_arrivals([arrival for each, arrival in arrivals.items() if each not in known])
    report.added += len(arrivals) - len(known)
    for each, origin in known.items():
        if origin == arrivals[each].origin_sha256:
            report.unchanged += 1
        else:
            replace_conversation(each, partial(_instead, arrivals[each]))
            report.changed.append(each)


def _instead(arrival: Arrival, row: Conversation, stored: EnrichedConversation) -> Arrival:
    return replace(arrival, conversation=keep_reviews(stored, arrival.conversation))
