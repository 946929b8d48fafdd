"""What a person's review of a pair is in a stored conversation, and what follows from it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from training_files.v4.conversation import EnrichedConversation, tier_of
from training_files.v4.figures import figures_of

# Of training_metadata.
REVIEWED: Final = "human_reviewed"
NOTES: Final = "reviewer_notes"
SCORE: Final = "quality_score"
SEED: Final = "use_as_seed_example"
_REVIEW: Final = (REVIEWED, NOTES, SCORE, SEED)


def with_tier(conversation: EnrichedConversation) -> EnrichedConversation:
    """With the tier of its pairs' scores."""
    tier = tier_of(figures_of(conversation).score_mean)
    return replace(conversation, metadata={**conversation.metadata, "quality_tier": tier})


def is_reviewed(pair: Mapping[str, Any]) -> bool:
    return pair.get("training_metadata", {}).get(REVIEWED) is True


def keep_reviews(old: EnrichedConversation, new: EnrichedConversation) -> EnrichedConversation:
    """`new`, in which the pairs that say the same as in `old` keep what people said of them there."""
    said = {_words(pair): pair["training_metadata"] for pair in old.pairs if is_reviewed(pair)}
    kept = [_with_review(pair, said.get(_words(pair))) for pair in new.pairs]
    return with_tier(replace(new, pairs=kept)) if kept != list(new.pairs) else new


def _with_review(pair: Mapping[str, Any], said: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if said is None or is_reviewed(pair):
        return pair
    review = {name: said[name] for name in _REVIEW if name in said}
    return {**pair, "training_metadata": {**pair.get("training_metadata", {}), **review}}


def _words(pair: Mapping[str, Any]) -> tuple[Any, ...]:
    return pair.get("turn_number"), pair.get("current_user_input"), pair.get("target_response")
