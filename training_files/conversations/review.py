"""What people say of conversations: a review of a pair, which counts as one, and all else that a model would say."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from training_files.conversations.reviews import NOTES, REVIEWED, SCORE, SEED, with_tier
from training_files.conversations.store import change_conversation
from training_files.exceptions import InvalidRequest
from training_files.models import Conversation
from training_files.v4.conversation import SCAFFOLDING, EnrichedConversation
from training_files.v4.validation import faults_of_conversation

EMOTIONS: Final = "detected_emotions"
LONGEST_VALUE: Final = 500  # characters of a fact of the scaffolding; see label in v4/schema/pair.schema.json

# Of a pair, what a person may say beside the review itself; see training_metadata of v4/schema/pair.schema.json.
VALUES: Final = (
    *("difficulty_level", "key_learning_objective", "demonstrates_skills", "emotional_progression_target"),
    *("quality_criteria", "generate_variations_count"),
    EMOTIONS,
)
# What a pair repeats of the scaffolding.
_IN_PAIRS: Final = {
    "persona_key": "persona_archetype",
    "persona_name": "client_persona",
    **{name: name for name in SCAFFOLDING[2:]},
}
_NO_VALUES: Final[Mapping[str, Any]] = {}
_NO_PAIRS: Final[Mapping[int, Mapping[str, Any]]] = {}

Pair = Mapping[str, Any]


def review_pair(
    conversation_id: str,
    pair_number: int,
    *,
    by: str,
    score: float | None = None,
    notes: str = "",
    seed_example: bool | None = None,
    values: Mapping[str, Any] = _NO_VALUES,
) -> Conversation:
    """Write a person's review into the stored conversation. `pair_number` counts its pairs from 1; `values` are some of
    VALUES. What is None stays as it was.

    Raises NotFound, and InvalidRequest for a pair that there is not, or what the format does not allow.
    """
    said: dict[str, Any] = {REVIEWED: True, NOTES: notes or None}
    said |= {} if score is None else {SCORE: score}
    said |= {} if seed_example is None else {SEED: seed_example}

    def reviewed(stored: EnrichedConversation) -> EnrichedConversation:
        pairs = _changed_pairs(stored, {pair_number: values})
        pairs[pair_number - 1] = _with_facts(pairs[pair_number - 1], said)
        return _checked(replace(stored, pairs=pairs))

    return change_conversation(conversation_id, reviewed, by=by)


def enrich_by_hand(
    conversation_id: str,
    *,
    by: str,
    scaffolding: Mapping[str, str] = _NO_VALUES,
    pairs: Mapping[int, Mapping[str, Any]] = _NO_PAIRS,
    completed: bool = True,
) -> Conversation:
    """Write what a person says of the whole, and of pairs, counted from 1, in place of a model. `completed`: nothing
    else is to be waited for. `scaffolding` are some of SCAFFOLDING, and of a pair some of VALUES or a quality_score.

    Raises NotFound, and InvalidRequest as review_pair.
    """
    unknown = sorted(scaffolding.keys() - set(SCAFFOLDING))
    if unknown:
        raise InvalidRequest(f"The scaffolding is {', '.join(SCAFFOLDING)}.", field="scaffolding")
    given = {name: value.strip() for name, value in scaffolding.items()}

    def enriched(stored: EnrichedConversation) -> EnrichedConversation:
        known = {**stored.scaffolding, **given}
        told = {_IN_PAIRS[name]: value for name, value in known.items() if value}
        changed = [
            {**pair, "conversation_metadata": {**pair.get("conversation_metadata", {}), **told}}
            for pair in _changed_pairs(stored, pairs, also=(SCORE,))
        ]
        return _checked(replace(stored, metadata={**stored.metadata, "scaffolding": known}, pairs=changed))

    status = Conversation.Enrichment.COMPLETED if completed else None
    return change_conversation(conversation_id, enriched, by=by, status=status)


def _changed_pairs(
    stored: EnrichedConversation, values: Mapping[int, Mapping[str, Any]], also: tuple[str, ...] = ()
) -> list[Pair]:
    missing = [number for number in values if not 1 <= number <= len(stored.pairs)]
    if missing:
        raise InvalidRequest(f"The conversation has no pair {min(missing)}.", field="pair")
    allowed = (*VALUES, *also)
    return [_with_values(pair, values.get(number, {}), allowed) for number, pair in enumerate(stored.pairs, 1)]


def _with_values(pair: Pair, values: Mapping[str, Any], allowed: tuple[str, ...]) -> Pair:
    unknown = values.keys() - set(allowed)
    if unknown:
        raise InvalidRequest(f"A pair has no value {sorted(unknown)[0]!r} to be given.", field="values")
    changed = _with_facts(pair, {name: value for name, value in values.items() if name != EMOTIONS})
    if EMOTIONS not in values:
        return changed
    return {**changed, "emotional_context": {**pair.get("emotional_context", {}), EMOTIONS: values[EMOTIONS]}}


def _with_facts(pair: Pair, facts: Mapping[str, Any]) -> Pair:
    return {**pair, "training_metadata": {**pair["training_metadata"], **facts}}


def _checked(conversation: EnrichedConversation) -> EnrichedConversation:
    """With its tier computed anew. Raises InvalidRequest when the format does not allow what was given."""
    faults = faults_of_conversation(
        {"conversation_metadata": conversation.metadata, "training_pairs": conversation.pairs}
    )
    if faults:
        raise InvalidRequest(f"The format does not allow it: {faults[0]}.", field="values")
    return with_tier(conversation)
