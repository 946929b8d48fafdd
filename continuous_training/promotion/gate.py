"""The gate: an evaluation's figures against thresholds. Pure: figures in, checks out."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from continuous_training.evaluation.metrics import Metrics, Side
from continuous_training.promotion.thresholds import Gate


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One threshold: what was asked, and what was found."""

    name: str
    asked: str
    found: str
    holds: bool

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def check_candidate(metrics: Metrics, gate: Gate) -> list[Check]:
    """Every threshold that can be judged, in the order in which people ask."""
    checks = [_enough_items(metrics, gate), *_quality(metrics, gate)]
    checks.append(_errors("errors", metrics.candidate, metrics, gate))
    if metrics.incumbent is not None:
        checks += [
            # What the incumbent did not answer would be a gain for nothing.
            _errors("errors of the incumbent", metrics.incumbent, metrics, gate),
            *_categories(metrics, gate),
            *_latency(metrics.candidate, metrics.incumbent, gate),
            *_cost(metrics.candidate, metrics.incumbent, gate),
        ]
    return checks


def _enough_items(metrics: Metrics, gate: Gate) -> Check:
    return Check(
        name="items",
        asked=f"{gate.min_items} at least",
        found=f"{metrics.items}",
        holds=metrics.items >= gate.min_items,
    )


def _quality(metrics: Metrics, gate: Gate) -> Iterator[Check]:
    if metrics.gain is None:
        score = metrics.candidate.score
        yield Check(
            name="score",
            asked=f"{gate.min_score:.3f} at least, for there is no incumbent",
            found=f"{score:.3f}",
            holds=score >= gate.min_score,
        )
        return
    mean, low, high = metrics.gain
    yield Check(name="gain", asked=f"{gate.min_gain:+.3f} at least", found=f"{mean:+.3f}", holds=mean >= gate.min_gain)
    yield Check(
        name="gain, lower end",
        asked=f"{gate.min_gain_low:+.3f} at least",
        found=f"{low:+.3f} (to {high:+.3f}, {metrics.confidence:.0%})",
        holds=low >= gate.min_gain_low,
    )


def _errors(name: str, side: Side, metrics: Metrics, gate: Gate) -> Check:
    rate = side.errors / metrics.items
    return Check(
        name=name,
        asked=f"{gate.max_error_rate:.1%} at most",
        found=f"{rate:.1%}",
        holds=rate <= gate.max_error_rate,
    )


def _categories(metrics: Metrics, gate: Gate) -> Iterator[Check]:
    if gate.max_category_loss is None:
        return
    for name, category in metrics.categories.items():
        if category.gain is None or category.items < gate.min_category_items:
            continue
        yield Check(
            name=f"category {name or 'without a name'}",
            asked=f"{-gate.max_category_loss:+.3f} at least",
            found=f"{category.gain.mean:+.3f} of {category.items} items",
            holds=category.gain.mean >= -gate.max_category_loss,
        )


def _latency(candidate: Side, incumbent: Side, gate: Gate) -> Iterator[Check]:
    mine, theirs = candidate.latency_ms_p95, incumbent.latency_ms_p95
    if gate.max_latency_ratio is None or mine is None or theirs is None:
        return
    yield Check(
        name="latency, p95",
        asked=f"{gate.max_latency_ratio:g} times the incumbent's at most",
        found=f"{mine:.0f} ms to {theirs:.0f} ms",
        # A millisecond more, for what two stubs on this machine take differs by as much.
        holds=mine <= theirs * gate.max_latency_ratio + 1,
    )


def _cost(candidate: Side, incumbent: Side, gate: Gate) -> Iterator[Check]:
    mine, theirs = candidate.cost_usd_per_1000, incumbent.cost_usd_per_1000
    if gate.max_cost_ratio is None or mine is None or theirs is None:
        return
    yield Check(
        name="cost",
        asked=f"{gate.max_cost_ratio:g} times the incumbent's at most",
        found=f"{mine:.4f} to {theirs:.4f} USD per 1,000 calls",
        holds=mine <= theirs * gate.max_cost_ratio,
    )
