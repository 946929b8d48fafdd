"""Which models somebody may still reach, or soon will: what is to be cleared away is none of them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from capture_app.models import Route, RouteChange
from capture_app.routing.config import RouteConfig, Target, parse_route
from capture_app.routing.service import restorable_config, routed_models
from continuous_training.conf import loop_settings
from continuous_training.models import Evaluation, Promotion, TrainedModel, TrainingRun

_EVALUATED_WITHIN: Final = timedelta(days=7)  # one that was killed before is not gone on with any more
_OVER: Final = (TrainingRun.State.SUCCEEDED, TrainingRun.State.FAILED, TrainingRun.State.CANCELLED)


class Reachable:
    """What the database says at the moment when this is made."""

    def __init__(self) -> None:
        self._routed = routed_models()
        self._restorable = set(_restorable())
        self._bases = set(TrainingRun.objects.exclude(state__in=_OVER).values_list("base_model", flat=True))

    def why(self, model: TrainedModel) -> str:
        """Why the model stays, in words; "" when nobody will miss it."""
        target = Target(model.provider, model.model)
        if target in self._routed:
            return "a route leads to it"
        if target in self._restorable:
            return "a route can be rolled back to it"
        if _named_by_promotion(target):
            return "a promotion of it waits for a decision"
        if _is_evaluated(target):
            return "it is being evaluated"
        if {model.model, model.folder} & self._bases - {""}:
            return "a run is training it further"
        return ""


def _restorable() -> Iterator[Target]:
    """What routes led to of late, what one roll back would restore, and what undoing a promotion would."""
    since = datetime.now(UTC) - timedelta(days=loop_settings().keep_routed_days)
    for before, after in RouteChange.objects.filter(changed_at__gte=since).values_list("before", "after"):
        yield from _targets(before)
        yield from _targets(after)
    for name in Route.objects.values_list("pk", flat=True):
        config = restorable_config(name)
        yield from config.targets() if config else ()
    for before in Promotion.objects.filter(state=Promotion.State.APPROVED).values_list("route_from", flat=True):
        yield from _targets(before)


def _targets(said: Any) -> set[Target]:
    config: RouteConfig | None = parse_route(said) if said else None
    return config.targets() if config else set()


def _named_by_promotion(target: Target) -> bool:
    waiting = Promotion.objects.filter(state=Promotion.State.PROPOSED)
    return waiting.filter(provider=target.provider, model_name=target.model).exists()


def _is_evaluated(target: Target) -> bool:
    since = datetime.now(UTC) - _EVALUATED_WITHIN
    running = Evaluation.objects.filter(state=Evaluation.State.RUNNING, created_at__gte=since)
    return any(
        running.filter(**{f"{side}_provider": target.provider, f"{side}_model": target.model}).exists()
        for side in ("candidate", "incumbent")
    )
