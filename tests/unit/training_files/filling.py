"""Conversations and training files to test with, made as users make them."""

from collections.abc import Sequence
from typing import Any

from training_files.actors import Actor
from training_files.conversations.store import Arrival, store_arrivals
from training_files.models import Conversation, TrainingFile
from training_files.service import add_conversations, create_training_file
from training_files.v4.conversation import EnrichedConversation, tier_of

ADA = Actor("user:ada")


def pair(number: int, *, score: float | None = 4, text: str = "words", **values: Any) -> dict[str, Any]:
    """A turn of two: the user's question and what is to be learned as the answer."""
    return {
        "id": f"turn{number}",
        "conversation_id": "short",
        "turn_number": number,
        "conversation_metadata": {"session_context": text},
        "system_prompt": text,
        "conversation_history": [
            {"turn": 1, "role": "user", "content": text, "emotional_state": {"primary": text, "intensity": 0.5}}
        ],
        "current_user_input": text,
        "emotional_context": {"detected_emotions": {"primary": text}},
        "target_response": text,
        "training_metadata": {
            "difficulty_level": text,
            "key_learning_objective": text,
            "demonstrates_skills": [text],
            "conversation_turn": number,
            "emotional_progression_target": text,
            "quality_score": score,
            "quality_criteria": {"empathy_score": score},
            "human_reviewed": False,
            "reviewer_notes": None,
            "use_as_seed_example": False,
            "generate_variations_count": 0,
        },
        **values,
    }


def conversation(
    conversation_id: str, *, cell: Sequence[str] = ("p", "a", "t"), score: float | None = 4, pairs: int = 1
) -> EnrichedConversation:
    """`cell`: the keys of persona, arc and topic."""
    persona, arc, topic = cell
    scaffolding = {
        "persona_key": persona,
        "persona_name": persona.title(),
        "emotional_arc_key": arc,
        "emotional_arc": arc.title(),
        "training_topic_key": topic,
        "training_topic": topic.title(),
    }
    return EnrichedConversation(
        metadata={
            "conversation_id": conversation_id,
            "source_file": f"{conversation_id}.json",
            "created_date": "2026-01-02",
            "total_turns": pairs,
            "quality_tier": tier_of(score),
            "scaffolding": scaffolding,
        },
        pairs=[pair(number, score=score) for number in range(1, pairs + 1)],
    )


def store(*conversations: EnrichedConversation, examples: Sequence[str] | None = None, **values: Any) -> list[str]:
    """Store them; their ids. `examples`: from which each of them was made."""
    arrivals = [
        Arrival(conversation=each, source=Conversation.Source.IMPORTED, by="user:ada", example_ids=examples, **values)
        for each in conversations
    ]
    store_arrivals(arrivals)
    return [each.id for each in conversations]


def many(prefix: str, count: int, **values: Any) -> list[str]:
    """Store that many alike; their ids."""
    return store(*(conversation(f"{prefix}{number}", **values) for number in range(count)))


def training_file(ids: Sequence[str], *, name: str = "a file", by: Actor = ADA) -> TrainingFile:
    """Of these conversations; a request takes 80."""
    made = create_training_file(name, conversation_ids=ids[:80], by=by)
    for start in range(80, len(ids), 80):
        made = add_conversations(made.pk, ids[start : start + 80], by=by)
    return made
