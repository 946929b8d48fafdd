"""A conversation as version 4 has it: what is known of the whole, and its pairs, one for each turn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

# In a full file's conversation_metadata, in this order.
SCAFFOLDING: Final = (
    *("persona_key", "persona_name"),
    *("emotional_arc_key", "emotional_arc"),
    *("training_topic_key", "training_topic"),
)

SEED, PRODUCTION, EXPERIMENTAL, REJECTED = "seed_dataset", "production", "experimental", "rejected"
TIERS: Final = (SEED, PRODUCTION, EXPERIMENTAL, REJECTED)
_LEAST: Final = ((4.5, SEED), (3.5, PRODUCTION), (2.5, EXPERIMENTAL))


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrichedConversation:
    """What a stored conversation holds."""

    metadata: Mapping[str, Any]  # conversation_metadata of a full file
    pairs: Sequence[Mapping[str, Any]]
    profile: Mapping[str, Any] = field(default_factory=dict)  # consultant_profile
    vertical: str = ""  # of the file that it came in

    @property
    def id(self) -> str:
        return str(self.metadata["conversation_id"])

    @property
    def scaffolding(self) -> dict[str, str]:
        """Its six facts; "" where one is not known."""
        found = self.metadata.get("scaffolding")
        known = found if isinstance(found, Mapping) else {}
        return {name: text(known.get(name)) for name in SCAFFOLDING}

    def to_bytes(self) -> bytes:
        """As it is stored."""
        return orjson.dumps(
            {
                "conversation_metadata": self.metadata,
                "consultant_profile": self.profile,
                "vertical": self.vertical,
                "training_pairs": self.pairs,
            }
        )

    @classmethod
    def from_bytes(cls, stored: bytes) -> "EnrichedConversation":
        found = orjson.loads(stored)
        return cls(
            metadata=found["conversation_metadata"],
            profile=found["consultant_profile"],
            vertical=found["vertical"],
            pairs=found["training_pairs"],
        )


def tier_of(score: float | None) -> str:
    """The tier of a quality score of 1 to 5; one that is not known, or 0, is experimental."""
    if not score:
        return EXPERIMENTAL
    return next((tier for least, tier in _LEAST if score >= least), REJECTED)


def text(value: object) -> str:
    """A value that should be a text; "" for one that is not, or blank."""
    return value.strip() if isinstance(value, str) else ""
