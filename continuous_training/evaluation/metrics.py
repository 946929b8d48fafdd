"""What an evaluation found, as values and as the JSON in `Evaluation.metrics`.

    {"items": 200, "scorers": ["json_fields", "token_f1"],
     "candidate": {"score": 0.91, "scores": {"json_fields": 0.91, "token_f1": 0.95}, "errors": 0,
                   "latency_ms_p50": 120.0, "latency_ms_p95": 310.0, "input_tokens": 52000, "output_tokens": 4100,
                   "cost_usd_per_1000": 0.02, "uncosted": 0},
     "incumbent": {...},
     "gain": {"mean": 0.04, "low": 0.01, "high": 0.07}, "confidence": 0.95, "resamples": 10000, "seed": 42,
     "outcomes": {"wins": 20, "ties": 170, "losses": 10},
     "categories": {"polite": {"items": 50, "candidate": 0.9, "incumbent": 0.8,
                               "gain": {"mean": 0.1, "low": 0.02, "high": 0.18}}},
     "judging_usd": 0.0}

Without an incumbent `incumbent`, `gain` and `outcomes` are null. Scores are of the first scorer, where none is named.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from continuous_training.evaluation.statistics import (
    CONFIDENCE,
    RESAMPLES,
    SEED,
    Interval,
    Outcomes,
    bootstrap,
    outcomes,
    percentile,
)

_CALLS: Final = 1000

Answer = Mapping[str, Any]  # of one side to one item, see models.EvaluationItem


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """How one of the two did on all items."""

    score: float  # the mean; an error counts 0
    scores: Mapping[str, float]  # by scorer
    errors: int  # items that it gave no answer to
    latency_ms_p50: float | None  # of answers, as measured with EVALUATION_CONCURRENCY questions at a time
    latency_ms_p95: float | None
    input_tokens: int  # of answers whose provider says so
    output_tokens: int
    cost_usd_per_1000: float | None  # calls; None: of no answer is known what it cost
    uncosted: int  # answers of which that is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """The items of one category."""

    items: int
    candidate: float
    incumbent: float | None
    gain: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """All of it. `gain` is the candidate's score less the incumbent's, item by item."""

    items: int
    scorers: Sequence[str]
    candidate: Side
    incumbent: Side | None
    gain: Interval | None
    outcomes: Outcomes | None
    categories: Mapping[str, Category]
    judging_usd: float  # what judges cost, as far as it is known
    confidence: float = CONFIDENCE
    resamples: int = RESAMPLES
    seed: int = SEED

    def as_json(self) -> dict[str, Any]:
        """Named tuples become objects, so that nobody has to count places."""
        found = asdict(self)
        categories = {name: {**asdict(each), "gain": _named(each.gain)} for name, each in self.categories.items()}
        return {**found, "gain": _named(self.gain), "outcomes": _named(self.outcomes), "categories": categories}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """What as_json made."""
        return cls(
            **{
                **found,
                "candidate": Side(**found["candidate"]),
                "incumbent": Side(**found["incumbent"]) if found["incumbent"] else None,
                "gain": Interval(**found["gain"]) if found["gain"] else None,
                "outcomes": Outcomes(**found["outcomes"]) if found["outcomes"] else None,
                "categories": {name: _category(each) for name, each in found["categories"].items()},
            }
        )


def _named(value: Interval | Outcomes | None) -> dict[str, Any] | None:
    return value._asdict() if value is not None else None


def _category(found: Mapping[str, Any]) -> Category:
    return Category(**{**found, "gain": Interval(**found["gain"]) if found["gain"] else None})


class Tally:
    """Gathers the answers to all items; of texts it keeps nothing."""

    def __init__(self, scorers: Sequence[str]) -> None:
        self._scorers = scorers
        self._candidate = _SideTally()
        self._incumbent = _SideTally()
        self._categories: list[str] = []
        self._judging_usd = 0.0

    def add(self, category: str, candidate: Answer, incumbent: Answer) -> None:
        """`incumbent` is empty for all items, or for none."""
        self._categories.append(category)
        self._candidate.add(candidate)
        if incumbent:
            self._incumbent.add(incumbent)
        self._judging_usd += sum(side.get("judging_usd", 0.0) for side in (candidate, incumbent))

    def metrics(self) -> Metrics | None:
        """None of no items."""
        if not self._categories:
            return None
        gains = self._gains()
        return Metrics(
            items=len(self._categories),
            scorers=list(self._scorers),
            candidate=self._candidate.side(self._scorers),
            incumbent=self._incumbent.side(self._scorers) if gains is not None else None,
            gain=bootstrap(gains) if gains is not None else None,
            outcomes=outcomes(gains) if gains is not None else None,
            categories=self._by_category(gains),
            judging_usd=round(self._judging_usd, 8),
        )

    def _gains(self) -> list[float] | None:
        if not self._incumbent.scores:
            return None
        return [mine - theirs for mine, theirs in zip(self._candidate.scores, self._incumbent.scores, strict=True)]

    def _by_category(self, gains: Sequence[float] | None) -> dict[str, Category]:
        places: dict[str, list[int]] = defaultdict(list)
        for place, category in enumerate(self._categories):
            places[category].append(place)
        return {
            name: Category(
                items=len(some),
                candidate=_mean(self._candidate.scores[place] for place in some),
                incumbent=_mean(self._incumbent.scores[place] for place in some) if gains is not None else None,
                gain=bootstrap([gains[place] for place in some]) if gains is not None else None,
            )
            for name, some in sorted(places.items())
        }


class _SideTally:
    """What one of the two gave."""

    def __init__(self) -> None:
        self.scores: list[float] = []
        self._by_scorer: dict[str, list[float]] = defaultdict(list)
        self._errors = 0
        self._latencies: list[float] = []
        self._tokens = [0, 0]
        self._costs: list[float] = []

    def add(self, answer: Answer) -> None:
        self.scores.append(answer["score"])
        for name, score in answer["scores"].items():
            self._by_scorer[name].append(score)
        if "error" in answer:
            self._errors += 1
            return
        self._latencies.append(answer["latency_ms"])
        for place, name in enumerate(("input_tokens", "output_tokens")):
            self._tokens[place] += answer.get(name) or 0
        if answer.get("cost_usd") is not None:
            self._costs.append(answer["cost_usd"])

    def side(self, scorers: Sequence[str]) -> Side:
        return Side(
            score=_mean(self.scores),
            scores={name: _mean(self._by_scorer[name]) for name in scorers},
            errors=self._errors,
            latency_ms_p50=percentile(self._latencies, 50),
            latency_ms_p95=percentile(self._latencies, 95),
            input_tokens=self._tokens[0],
            output_tokens=self._tokens[1],
            cost_usd_per_1000=_mean(self._costs) * _CALLS if self._costs else None,
            uncosted=len(self._latencies) - len(self._costs),
        )


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)
