"""Evaluations with figures as a test wants them, and what comes of them."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from continuous_training.evaluation.metrics import Metrics, Tally
from continuous_training.models import Evaluation, Promotion
from continuous_training.promotion.service import propose


def measured(
    mine: list[float],
    theirs: list[float] | None = None,
    *,
    categories: list[str] | None = None,
    latency_ms: tuple[float, float] = (100.0, 100.0),
    cost_usd: tuple[float | None, float | None] = (0.001, 0.001),
    errors: int = 0,
    incumbent_errors: int = 0,
) -> Metrics:
    """As an evaluation measures them: scores item by item of the candidate and, if there is one, the incumbent."""
    tally = Tally(["exact"])
    for number, score in enumerate(mine):
        failed = {"error": "Down"} if number < errors else {}
        other = {} if theirs is None else answer(theirs[number], latency_ms[1], cost_usd[1])
        other |= {"error": "Down"} if other and number < incumbent_errors else {}
        category = categories[number] if categories else ""
        tally.add(category, {**answer(score, latency_ms[0], cost_usd[0]), **failed}, other)
    found = tally.metrics()
    assert found is not None
    return found


def answer(score: float, latency_ms: float, cost_usd: float | None) -> dict[str, Any]:
    return {"score": score, "scores": {"exact": score}, "latency_ms": latency_ms, "cost_usd": cost_usd}


BETTER = measured([1.0] * 40, [1.0] * 20 + [0.0] * 20)
WORSE = measured([0.0] * 40, [1.0] * 40)


def evaluated(metrics: Metrics = BETTER, model: str = "tuned", incumbent: str = "big", **values: Any) -> Evaluation:
    """One that is done; the candidate is local/<model>, the incumbent openai/<incumbent>."""
    return Evaluation.objects.create(
        **{
            "id": f"eval-{uuid4().hex[:8]}",
            "task": "shop",
            "candidate_provider": "local",
            "candidate_model": model,
            "incumbent_provider": "openai" if metrics.incumbent else "",
            "incumbent_model": incumbent if metrics.incumbent else "",
            "scorer": "exact",
            "state": "done",
            "metrics": metrics.as_json(),
            "requested_by": "ada",
            "created_at": datetime.now(UTC),
            **values,
        }
    )


def proposed(metrics: Metrics = BETTER, **values: Any) -> Promotion:
    return propose(evaluated(metrics, **values).pk, by="ada")
