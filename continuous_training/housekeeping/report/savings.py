"""What trained models saved: the tokens that they read and wrote, at the price of who would have answered otherwise.

Who that is, INCUMBENTS says for a task. Else it is whom the model was compared with when it was evaluated last, or who
had most of the route before it was promoted; if that is a trained model itself, the same is asked of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Sum

from capture_app.conf import capture_settings
from capture_app.models import Spend
from capture_app.routing.config import Target, WrongRoute, parse_route
from continuous_training.conf import loop_settings
from continuous_training.housekeeping.report.calls import Answerer, Calls, MonthOfCalls
from continuous_training.housekeeping.report.months import Month
from continuous_training.models import Evaluation, Promotion, TrainedModel
from continuous_training.training.spending import PURPOSE

_TOKENS: Final = 1_000_000  # for which PRICES has a price


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What one trained model's answers to one task cost, and would have cost. USD."""

    task: str
    model: str  # provider/model
    instead_of: str  # the model that would have answered; "": nobody knows
    calls: int
    input_tokens: int
    output_tokens: int
    untold: int  # calls among them whose tokens are not known, and therefore not counted
    cost_usd: float
    uncosted: int  # calls of unknown cost, which counts as nothing: one's own machine has no price by the token
    would_have_cost_usd: float | None  # None: nobody knows who it would have been, or PRICES lacks that model

    @property
    def saved_usd(self) -> float | None:
        return None if self.would_have_cost_usd is None else self.would_have_cost_usd - self.cost_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Savings:
    """All of the month's."""

    models: list[Saved]
    saved_usd: float  # of those of which it is known
    training_usd: float  # that was noted for training in the month

    @property
    def net_usd(self) -> float:
        return self.saved_usd - self.training_usd


def savings_of(month: Month, calls: MonthOfCalls) -> Savings:
    trained = {Target(*row) for row in TrainedModel.objects.values_list("provider", "model")}
    found = [
        _saved(who, each, trained)
        for who, each in sorted(calls.by_answerer.items())
        if Target(who.provider, who.model) in trained and not who.is_shadow
    ]
    noted = Spend.objects.filter(purpose=PURPOSE, spent_at__gte=month.begins_at, spent_at__lt=month.ends_at)
    return Savings(
        models=found,
        saved_usd=sum(each.saved_usd or 0.0 for each in found),
        training_usd=noted.aggregate(usd=Sum("usd"))["usd"] or 0.0,
    )


def _saved(who: Answerer, calls: Calls, trained: set[Target]) -> Saved:
    model = incumbent_of(who.task, Target(who.provider, who.model), trained)
    price = capture_settings().prices.get(model)
    return Saved(
        task=who.task,
        model=f"{who.provider}/{who.model}",
        instead_of=model,
        calls=calls.calls,
        input_tokens=calls.input_tokens,
        output_tokens=calls.output_tokens,
        untold=calls.untold,
        cost_usd=calls.cost_usd,
        uncosted=calls.uncosted,
        would_have_cost_usd=_at_price(calls, price) if price else None,
    )


def _at_price(calls: Calls, price: Mapping[str, float]) -> float:
    """Nobody knows which tokens would have been cached, so none counts as that."""
    return (calls.input_tokens * price["input"] + calls.output_tokens * price["output"]) / _TOKENS


def incumbent_of(task: str, target: Target, trained: set[Target]) -> str:
    """The name of the model that would answer the task had nothing been trained; "" where nobody knows."""
    configured = loop_settings().incumbents.get(task)
    if configured:
        return configured
    seen: set[Target] = set()
    found: Target | None = target
    while found is not None and found in trained and found not in seen:
        seen.add(found)
        found = _compared_with(task, found) or _routed_before(task, found)
    return "" if found is None or found in trained else found.model


def _compared_with(task: str, target: Target) -> Target | None:
    last = (
        Evaluation.objects.filter(task=task, candidate_provider=target.provider, candidate_model=target.model)
        .exclude(incumbent_provider="")
        .order_by("-created_at")
        .first()
    )
    return Target(last.incumbent_provider, last.incumbent_model) if last else None


def _routed_before(task: str, target: Target) -> Target | None:
    promotions = Promotion.objects.filter(task=task, provider=target.provider, model_name=target.model)
    last: Any = (
        promotions.exclude(route_from=None).order_by("-proposed_at").values_list("route_from", flat=True).first()
    )
    try:
        return parse_route(last).main() if last else None
    except WrongRoute:  # by another release: who it was is not known then
        return None
