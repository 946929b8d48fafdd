"""Many enriched conversations for training files, stored as the store does, but faster."""

import hashlib
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from training_files.conf import training_files_settings
from training_files.conversations.store import FOLDER
from training_files.models import Conversation
from training_files.v4.conversation import EnrichedConversation, tier_of

PAIRS = 4  # of each conversation
_WORDS = [
    "the",
    "a",
    "of",
    "money",
    "plan",
    "year",
    "home",
    "worry",
    "hope",
    "retire",
    "save",
    "budget",
    "house",
    "child",
    "loan",
    "rate",
    "trust",
    "ask",
    "tell",
]
_AT_ONCE = 1_000  # rows


def ids(count: int) -> Iterator[str]:
    return (f"conversation-{number:07}" for number in range(count))


def store(count: int, stored_bytes: int) -> None:
    """Store that many, of about so many bytes each."""
    folder, now = training_files_settings().folder, datetime.now(UTC)
    rows: list[Conversation] = []
    for number, conversation_id in enumerate(ids(count)):
        rows.append(_stored(folder, conversation_id, number, stored_bytes, now))
        if len(rows) == _AT_ONCE:
            Conversation.objects.bulk_create(rows)
            rows.clear()
    Conversation.objects.bulk_create(rows)


def _stored(folder: Path, conversation_id: str, number: int, size: int, now: datetime) -> Conversation:
    content = _made(conversation_id, number, size).to_bytes()
    name = f"{FOLDER}/{number % 256:02x}/{conversation_id}.json"
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return Conversation(
        id=conversation_id,
        source=Conversation.Source.IMPORTED,
        created_at=now,
        updated_at=now,
        enrichment_status=Conversation.Enrichment.COMPLETED,
        enriched_file_path=name,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        pairs=PAIRS,
    )


def _made(conversation_id: str, number: int, size: int) -> EnrichedConversation:
    words = random.Random(number)  # the same in each run
    text = " ".join(words.choices(_WORDS, k=max(10, size // PAIRS // 3 // 5)))  # three times a pair, 5 bytes a word
    score = words.choice((4.8, 4.0, 3.2, 2.0))
    scaffolding = {
        "persona_key": f"persona_{number % 12}",
        "emotional_arc_key": f"arc_{number % 7}",
        "training_topic_key": f"topic_{number % 20}",
    }
    metadata = {"conversation_id": conversation_id, "quality_tier": tier_of(score), "scaffolding": scaffolding}
    pairs = [
        {
            "id": f"turn{turn}",
            "conversation_id": conversation_id,
            "turn_number": turn,
            "system_prompt": "You help.",
            "conversation_history": [{"turn": turn - 1, "role": "user", "content": text}],
            "current_user_input": text,
            "target_response": text,
            "training_metadata": {"quality_score": score, "human_reviewed": False},
        }
        for turn in range(1, PAIRS + 1)
    ]
    return EnrichedConversation(metadata=metadata, pairs=pairs)
