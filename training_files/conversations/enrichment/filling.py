"""What was answered, put into the conversation. What people have said of it before stays as they said it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from training_files.conversations.enrichment.steps import (
    ARC,
    CRITERIA,
    DETECTED,
    EMOTIONS,
    PERSONA,
    QUALITY,
    TOPIC,
    Spoken,
)
from training_files.conversations.reviews import SCORE, is_reviewed, with_tier
from training_files.v4.conversation import SCAFFOLDING, EnrichedConversation
from training_files.v4.figures import quality_score

# In a pair's conversation_metadata, and where it comes from.
_ABOUT: Final = {
    "client_persona": "persona_name",
    "client_background": "client_background",
    "session_context": "session_context",
    "conversation_phase": "conversation_phase",
    "expected_outcome": "expected_outcome",
    "persona_archetype": "persona_key",
    "emotional_arc": "emotional_arc",
    "emotional_arc_key": "emotional_arc_key",
    "training_topic": "training_topic",
    "training_topic_key": "training_topic_key",
}
_STATE: Final = ("primary", "secondary", "intensity")  # of an earlier turn, in conversation_history

Answers = Mapping[str, Mapping[str, Any]]  # by step
Feeling = Mapping[str, Any]


def spoken(conversation: EnrichedConversation) -> list[Spoken]:
    """All turns, as far as the pairs tell them."""
    found: dict[int, Spoken] = {}
    for pair in conversation.pairs:
        for said in pair["conversation_history"]:
            if "turn" in said:
                found.setdefault(said["turn"], Spoken(said["turn"], said["role"], said["content"]))
        number, target = pair["turn_number"], pair["target_response"]
        role, content = ("user", pair["current_user_input"]) if target is None else ("assistant", target)
        found[number] = Spoken(number, role, content)
    return [found[number] for number in sorted(found)]


def answered_turns(conversation: EnrichedConversation) -> list[int]:
    return [pair["turn_number"] for pair in conversation.pairs if pair["target_response"] is not None]


def filled(conversation: EnrichedConversation, answers: Answers) -> EnrichedConversation:
    """The conversation with all answers."""
    known = conversation.scaffolding
    whole = {**answers[PERSONA], **answers[ARC], **answers[TOPIC]}
    scaffolding = {name: known[name] or whole[name] for name in SCAFFOLDING}
    feelings = {
        each["turn"]: {name: each[name] for name in DETECTED}
        for name, answer in answers.items()
        if name.startswith(EMOTIONS)
        for each in answer["turns"]
    }
    facts = {**whole, **scaffolding, "emotional_progression_target": _progression(conversation, feelings)}
    pairs = [
        _filled_pair(pair, facts, feelings, answers.get(f"{QUALITY} {pair['turn_number']}", {}))
        for pair in conversation.pairs
    ]
    metadata = {**conversation.metadata, "scaffolding": scaffolding}
    return with_tier(replace(conversation, metadata=metadata, pairs=pairs))


def _progression(conversation: EnrichedConversation, feelings: Mapping[int, Feeling]) -> str:
    """From the user's first feeling to the last one."""
    users = [feelings[each.turn] for each in spoken(conversation) if each.role == "user"]
    ends = (users[0], users[-1]) if users else ()
    return " → ".join(f"{each['primary']}({each['intensity']})" for each in ends)


def _filled_pair(
    pair: Mapping[str, Any], facts: Mapping[str, Any], feelings: Mapping[int, Feeling], quality: Mapping[str, Any]
) -> dict[str, Any]:
    told = {**facts, **quality}
    about = {name: told[source] for name, source in _ABOUT.items() if source in told}
    return {
        **pair,
        "conversation_metadata": {**pair.get("conversation_metadata", {}), **about},
        "conversation_history": _with_states(pair["conversation_history"], feelings),
        "emotional_context": {"detected_emotions": feelings[pair["turn_number"]]},
        "training_metadata": _training_metadata(pair, facts, quality),
    }


def _with_states(history: Sequence[Mapping[str, Any]], feelings: Mapping[int, Feeling]) -> list[Mapping[str, Any]]:
    return [
        {**said, "emotional_state": {name: feelings[said["turn"]][name] for name in _STATE}}
        if said.get("turn") in feelings
        else said
        for said in history
    ]


def _training_metadata(pair: Mapping[str, Any], facts: Mapping[str, Any], quality: Mapping[str, Any]) -> dict[str, Any]:
    number, known = pair["turn_number"], pair["training_metadata"]
    found = {
        "difficulty_level": f"{facts['difficulty_level']}_conversation_turn_{number}",
        "key_learning_objective": facts["key_learning_objective"],
        "demonstrates_skills": list(quality.get("demonstrates_skills", ())),
        "conversation_turn": number,
        "emotional_progression_target": facts["emotional_progression_target"],
        SCORE: quality.get(SCORE),
        "quality_criteria": {name: quality[name] for name in CRITERIA if name in quality},
    }
    if is_reviewed(pair) and quality_score(pair) is not None:
        found[SCORE] = quality_score(pair)
    return {**found, **{name: value for name, value in known.items() if name not in found}}
