"""Promotions as values, for scripts."""

from typing import Any, Final

from continuous_training.models import Promotion

_FIELDS: Final = (
    *("id", "task", "provider", "model_name", "state", "gate", "share", "route_from", "route_to"),
    *("proposed_by", "proposed_at", "decided_by", "decided_at", "reason", "ended_by", "ended_at", "ended_why"),
)


def list_promotions(*, task: str = "", promotion_id: int | None = None) -> list[Promotion]:
    """Those of the task, or the one, or all; the newest first."""
    found = Promotion.objects.all()
    found = found.filter(task=task) if task else found
    return list(found.filter(pk=promotion_id) if promotion_id is not None else found)


def describe_promotion(promotion: Promotion) -> dict[str, Any]:
    """All that is known of it but the figures of its evaluation, which that has itself."""
    return {
        **{name: getattr(promotion, name) for name in _FIELDS},
        "evaluation": promotion.evaluation_id,
        "trained_model": promotion.trained_model_id,
    }
