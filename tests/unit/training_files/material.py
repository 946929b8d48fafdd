"""Conversations of every kind that training files hold, and what must come out of them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from training_files.actors import Actor
from training_files.conf import training_files_settings
from training_files.conversations.store import store_conversation
from training_files.describing import Described, describe
from training_files.joining import json_blocks, jsonl_blocks
from training_files.models import Build, JoinedFile, LooseFile, TrainingFile, TrainingFilePart, TrainingFileVersion
from training_files.service import create_training_file
from training_files.v4.conversation import EnrichedConversation, tier_of
from training_files.v4.figures import figures_of, total
from training_files.v4.writing import (
    JSON_BETWEEN,
    JSONL_BETWEEN,
    json_head,
    json_item,
    json_tail,
    jsonl_head,
    jsonl_lines,
)

ADA, BOB, ADMIN = Actor("user:ada"), Actor("user:bob"), Actor("user:root", may_change_all=True)

SCORES = (4.5, 3, None, 0, 2.25, 4.9)


def enriched(number: int, *, text: str = "Grüße, \u2192 \U0001f600\n", edition: int = 0) -> EnrichedConversation:
    """The conversation `c<number>`: of 1 to 3 pairs, some without answer or score; of another content per `edition`."""
    score = SCORES[number % len(SCORES)]
    return EnrichedConversation(
        metadata={
            "conversation_id": f"c{number}",
            "source_file": f"c{number}.json",
            "created_date": "2026-01-02",
            "total_turns": number % 3 + 1,
            "quality_tier": tier_of(score),
            "scaffolding": {
                "persona_key": f"persona{number % 2}",
                "emotional_arc_key": f"arc{number % 3}",
                "training_topic_key": "" if number % 5 == 4 else f"topic{number % 5}",
            },
        },
        pairs=[_pair(number, turn, score, f"{text}{edition}") for turn in range(1, number % 3 + 2)],
        profile={"zebra": number, "name": "Elena"} if number % 4 == 1 else {},
    )


def _pair(number: int, turn: int, score: float | None, text: str) -> dict[str, Any]:
    return {
        "id": f"turn{turn}",
        "conversation_id": f"c{number}",
        "turn_number": turn,
        "conversation_metadata": {"expected_outcome": text},
        "system_prompt": text,
        "conversation_history": [{"turn": 1, "role": "user", "content": text}],
        "current_user_input": text,
        "emotional_context": {"intensity": 0.1 * turn},
        "target_response": None if (number + turn) % 4 == 0 else text,
        "training_metadata": {"quality_score": score, "human_reviewed": turn == 2},
    }


def stored(*numbers: int, **values: Any) -> list[str]:
    """Store these conversations; their ids."""
    return [store_conversation(enriched(number, **values), source="imported", by="user:ada").pk for number in numbers]


def made(*numbers: int, name: str = "a file", by: Actor = ADA, **values: Any) -> TrainingFile:
    """A training file of these conversations, which are stored for it."""
    return create_training_file(name, conversation_ids=stored(*numbers, **values), by=by)


def both_files(training_file: TrainingFile, number: int | None = None) -> tuple[bytes, bytes]:
    """What is downloaded as JSON and as JSON Lines; each is as long as was said beforehand."""
    described = describe(training_file, number)
    found = b"".join(json_blocks(described)), b"".join(jsonl_blocks(described))
    assert [len(each) for each in found] == [described.json_bytes, described.jsonl_bytes]
    return found


def written_anew(described: Described, conversations: Iterable[EnrichedConversation]) -> tuple[bytes, bytes]:
    """The same files without any parts: of all conversations at once."""
    held = list(conversations)
    heading, figures = described.heading, total(map(figures_of, held))
    json = JSON_BETWEEN.join(map(json_item, held))
    lines = [line for line in map(jsonl_lines, held) if line]
    return (
        json_head(heading, figures) + json + json_tail(figures),
        JSONL_BETWEEN.join([jsonl_head(heading, figures), *lines]),
    )


def ids_in(described: Described) -> list[str]:
    from training_files.service import conversations_in

    return [each for each, _ in conversations_in(described.file.pk, number=described.version.number)]


def everything() -> dict[str, Any]:
    """All that there is of training files: rows, and names and contents in the storage."""
    models = (TrainingFile, TrainingFileVersion, TrainingFilePart, Build, JoinedFile, LooseFile)
    rows = {model.__name__: list(model._default_manager.order_by("pk").values()) for model in models}
    return {**rows, "files": {path: path.read_bytes() for path in in_storage()}}


def in_storage(kinds: Sequence[str] = ("parts", "builds", "joined")) -> list[Path]:
    """The files in the folder that is the storage, without those of conversations."""
    folder = training_files_settings().folder
    return sorted(path for kind in kinds for path in folder.glob(f"{kind}/*/*"))
