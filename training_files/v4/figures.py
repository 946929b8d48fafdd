"""What a training file says of itself, computed from its pairs and added up over its parts."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

from training_files.v4.conversation import EnrichedConversation, text, tier_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of some conversations. Sums are exact, so that they do not depend on the order in which parts came."""

    conversations: int = 0
    pairs: int = 0  # also those without an answer
    answered: int = 0  # those that become lines
    scored: int = 0  # those that have a quality score
    score_sum: Decimal = Decimal(0)
    score_min: float | None = None
    score_max: float | None = None
    reviewed: int = 0  # pairs that a person has reviewed
    personas: Counter[str] = field(default_factory=Counter)  # by key, of conversations; blanks are not counted
    arcs: Counter[str] = field(default_factory=Counter)
    topics: Counter[str] = field(default_factory=Counter)
    tiers: Counter[str] = field(default_factory=Counter)

    @property
    def score_mean(self) -> float | None:
        return float(self.score_sum / self.scored) if self.scored else None

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(
            conversations=self.conversations + other.conversations,
            pairs=self.pairs + other.pairs,
            answered=self.answered + other.answered,
            scored=self.scored + other.scored,
            score_sum=self.score_sum + other.score_sum,
            score_min=min((each for each in (self.score_min, other.score_min) if each is not None), default=None),
            score_max=max((each for each in (self.score_max, other.score_max) if each is not None), default=None),
            reviewed=self.reviewed + other.reviewed,
            personas=self.personas + other.personas,
            arcs=self.arcs + other.arcs,
            topics=self.topics + other.topics,
            tiers=self.tiers + other.tiers,
        )

    def to_json(self) -> dict[str, Any]:
        """As a row of Django's database keeps it."""
        return {**{each.name: getattr(self, each.name) for each in fields(self)}, "score_sum": str(self.score_sum)}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Figures":
        if not found:
            return cls()
        counters = {name: Counter(found[name]) for name in ("personas", "arcs", "topics", "tiers")}
        return cls(**{**found, **counters, "score_sum": Decimal(found["score_sum"])})


def figures_of(conversation: EnrichedConversation) -> Figures:
    """Of one conversation, from its pairs."""
    scores = [score for pair in conversation.pairs if (score := quality_score(pair)) is not None]
    scaffolding = conversation.scaffolding
    return Figures(
        conversations=1,
        pairs=len(conversation.pairs),
        answered=sum(pair.get("target_response") is not None for pair in conversation.pairs),
        scored=len(scores),
        score_sum=sum((Decimal(str(score)) for score in scores), Decimal(0)),
        score_min=min(scores, default=None),
        score_max=max(scores, default=None),
        reviewed=sum(_training_metadata(pair).get("human_reviewed") is True for pair in conversation.pairs),
        personas=_one(scaffolding["persona_key"]),
        arcs=_one(scaffolding["emotional_arc_key"]),
        topics=_one(scaffolding["training_topic_key"]),
        tiers=_one(text(conversation.metadata.get("quality_tier")) or tier_of(None)),
    )


def total(figures: Iterable[Figures]) -> Figures:
    return sum(figures, Figures())


def quality_score(pair: Mapping[str, Any]) -> float | None:
    """Of 1 to 5. None where nobody has given one; files have 0 for that, too."""
    score = _training_metadata(pair).get("quality_score")
    return score if isinstance(score, (int, float)) and not isinstance(score, bool) and score > 0 else None


def _training_metadata(pair: Mapping[str, Any]) -> Mapping[str, Any]:
    found = pair.get("training_metadata")
    return found if isinstance(found, Mapping) else {}


def _one(key: str) -> Counter[str]:
    return Counter({key: 1}) if key else Counter()
