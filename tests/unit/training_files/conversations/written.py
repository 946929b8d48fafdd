"""Files of version 4 as other systems write them, with words of our own."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

ONE: Final = "11111111-aaaa-4bbb-8ccc-000000000001"
TWO: Final = "22222222-aaaa-4bbb-8ccc-000000000002"
PROFILE: Final = {"name": "Mara Lind", "core_philosophy": {"principle_1": "Listen first"}}


def pair(number: int, answer: str | None, **values: Any) -> dict[str, Any]:
    """A turn; with an answer it is the assistant's, and the one before it was the user's."""
    asked = f"Was heißt „{number + (answer is None)}“?"
    history = [{"turn": 1, "role": "user", "content": asked, "emotional_state": {"primary": "confusion"}}]
    return {
        "id": f"educational_turn{number}",
        "conversation_id": "educational",
        "turn_number": number,
        "conversation_metadata": {
            "client_persona": "Noor - The Planner",
            "persona_archetype": "planner",
            "emotional_arc": "Confusion → Clarity",
            "emotional_arc_key": "confusion_to_clarity",
            "training_topic": "Savings",
            "training_topic_key": "savings",
        },
        "system_prompt": "Be kind.",
        "conversation_history": history if answer else [],
        "current_user_input": asked,
        "emotional_context": {"detected_emotions": {"primary": "confusion", "primary_confidence": 0.8}},
        "target_response": answer,
        "training_metadata": {
            "demonstrates_skills": ["listening"],
            "conversation_turn": number,
            "quality_score": 3,
            "quality_criteria": {"empathy_score": 2.8, "clarity_score": 3},
            "human_reviewed": False,
            "reviewer_notes": None,
        },
        **values,
    }


def individual(conversation_id: str = ONE, **values: Any) -> dict[str, Any]:
    """An individual enriched file."""
    return {
        "dataset_metadata": {
            "dataset_name": f"fp_conversation_{conversation_id}",
            "version": "1.0.0",
            "created_date": "2026-01-31",
            "vertical": "advice",
            "quality_tier": "experimental",
            "total_conversations": 1,
            "total_turns": 2,
        },
        "consultant_profile": PROFILE,
        "input_parameters": {
            "persona_id": "7",
            "persona_key": "planner",
            "persona_name": "Noor",
            "emotional_arc_key": "confusion_to_clarity",
            "emotional_arc_name": "Confusion → Clarity",
            "training_topic_key": "savings",
            "training_topic_name": "Savings",
        },
        "training_pairs": [pair(1, None), pair(2, "Ein Schritt nach dem anderen 😀")],
        **values,
    }


def in_full(conversation_id: str, *pairs: Mapping[str, Any]) -> dict[str, Any]:
    """A conversation as a full file has it."""
    return {
        "conversation_metadata": {
            "conversation_id": conversation_id,
            "source_file": f"fp_conversation_{conversation_id}.json",
            "created_date": "2026-01-31",
            "total_turns": 2,
            "quality_tier": "experimental",
            "scaffolding": {
                "persona_key": "planner",
                "persona_name": "Noor",
                "emotional_arc_key": "confusion_to_clarity",
                "emotional_arc": "Confusion → Clarity",
                "training_topic_key": "savings",
                "training_topic": "Savings",
            },
        },
        "training_pairs": list(pairs) or [pair(1, None), pair(2, "Ein Schritt nach dem anderen 😀")],
    }


def full(*conversations: Mapping[str, Any]) -> dict[str, Any]:
    """A full training file, its profile after the conversations."""
    return {
        "training_file_metadata": {"version": "4.0.0", "format_spec": "brightrun-lora-v4", "vertical": "advice"},
        "conversations": list(conversations) or [in_full(ONE), in_full(TWO)],
        "consultant_profile": PROFILE,
    }


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2), "utf-8")
    return path
