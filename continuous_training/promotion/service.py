"""The verbs of promotions: propose, approve, reject, roll back. Each leaves who, when and why."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from django.db import router, transaction

from capture_app.models import Route, RouteChange
from capture_app.routes import settled_target
from capture_app.routing.config import RouteConfig, Share, Target, parse_route, single
from capture_app.routing.service import clear_route, set_route, stored_config
from continuous_training.evaluation.metrics import Metrics
from continuous_training.exceptions import PromotionRefused
from continuous_training.models import Evaluation, Promotion, TrainedModel
from continuous_training.promotion.gate import check_candidate
from continuous_training.promotion.thresholds import gate_settings

_WHOLE: Final = 100.0  # percent
_State = Promotion.State


def propose(evaluation_id: str, *, by: str) -> Promotion:
    """Hold the evaluation's candidate against the gate, and note what came of it; asked again, it is what was noted.

    Raises PromotionRefused for an evaluation that is unknown or has not ended well.
    """
    evaluation = Evaluation.objects.filter(pk=evaluation_id).first()
    if evaluation is None:
        raise PromotionRefused(f"There is no evaluation {evaluation_id!r}. Nothing was proposed.")
    if evaluation.state != Evaluation.State.DONE or not evaluation.metrics:
        raise PromotionRefused(
            f"The evaluation {evaluation_id} is {evaluation.state}: only one that is done can say anything. Nothing "
            "was proposed."
        )
    checks = check_candidate(Metrics.from_json(evaluation.metrics), gate_settings())
    trained = TrainedModel.objects.filter(
        provider=evaluation.candidate_provider, model=evaluation.candidate_model
    ).first()
    promotion, _ = Promotion.objects.get_or_create(
        evaluation=evaluation,
        defaults={
            "task": evaluation.task,
            "trained_model": trained,
            "provider": evaluation.candidate_provider,
            "model_name": evaluation.candidate_model,
            "state": _State.PROPOSED if all(check.holds for check in checks) else _State.REFUSED,
            "gate": [check.as_json() for check in checks],
            "data": trained.run.data if trained else {},
            "metrics": evaluation.metrics,
            "proposed_by": by,
            "proposed_at": datetime.now(UTC),
        },
    )
    return promotion


def approve(promotion_id: int, *, by: str, reason: str, share: float = _WHOLE) -> Promotion:
    """Have the candidate answer `share` percent of the task's calls, from a second or so after the commit on.

    The rest goes where all went before, and so does what the candidate fails at. Approved again, the share changes.
    Raises PromotionRefused for what the gate refused, what was decided otherwise, and a model that is gone.
    """
    if not 0 < share <= _WHOLE:
        raise PromotionRefused(f"{share:g} is no share of the calls: it is above 0 and 100 percent at most.")
    with _locked(promotion_id) as promotion:
        if promotion.state not in (_State.PROPOSED, _State.APPROVED):
            raise PromotionRefused(f"This promotion is {promotion.state}, and cannot be approved. Nothing was changed.")
        _refuse_removed(promotion)
        if promotion.state == _State.PROPOSED:
            _refuse_other_incumbent(promotion)
            _end_former(promotion, by)
            before = stored_config(promotion.task)
            promotion.route_from = before.to_json() if before else None
        config = _with_candidate(promotion, share)
        change = set_route(promotion.task, config, by=by, reason=f"promotion {promotion.pk}: {reason}")
        _note(promotion, change, share=share, by=by, reason=reason)
        return promotion


def reject(promotion_id: int, *, by: str, reason: str) -> Promotion:
    """A person says no. Raises PromotionRefused for what was decided already."""
    with _locked(promotion_id) as promotion:
        if promotion.state != _State.PROPOSED:
            raise PromotionRefused(f"This promotion is {promotion.state} already. Nothing was changed.")
        promotion.state = _State.REJECTED
        promotion.decided_by, promotion.decided_at, promotion.reason = by, datetime.now(UTC), reason
        promotion.save()
        return promotion


def undo(promotion_id: int, *, by: str, reason: str) -> Promotion:
    """Take the candidate off the route: it is as before this promotion, or, where people have changed it since, as they
    left it without the candidate. Raises PromotionRefused unless the promotion is approved.
    """
    with _locked(promotion_id) as promotion:
        if promotion.state != _State.APPROVED:
            raise PromotionRefused(f"This promotion is {promotion.state}: there is nothing to roll back.")
        after = _without_candidate(promotion)
        why = f"promotion {promotion.pk} is rolled back: {reason}"
        if after is not None:
            set_route(promotion.task, after, by=by, reason=why)
        elif stored_config(promotion.task) is not None:
            clear_route(promotion.task, by=by, reason=why)
        _end(promotion, _State.ROLLED_BACK, by, reason)
        _restore_former(promotion)
        return promotion


def candidate_of(promotion: Promotion) -> Target:
    return Target(promotion.provider, promotion.model_name)


def incumbent_of(promotion: Promotion) -> Target | None:
    """Who the candidate was compared with; None: nobody answered the task."""
    evaluation = promotion.evaluation
    if not evaluation.incumbent_provider:
        return None
    return Target(evaluation.incumbent_provider, evaluation.incumbent_model)


@contextmanager
def _locked(promotion_id: int) -> Iterator[Promotion]:
    """The promotion, for one who decides: in one transaction with the route, and nobody else meanwhile."""
    with transaction.atomic(using=router.db_for_write(Promotion)):
        promotion = Promotion.objects.select_for_update().filter(pk=promotion_id).first()
        if promotion is None:
            raise PromotionRefused(f"There is no promotion {promotion_id}. Nothing was changed.")
        yield promotion


def _refuse_removed(promotion: Promotion) -> None:
    if promotion.trained_model and promotion.trained_model.removed_at:
        raise PromotionRefused(
            f"The model {promotion.model_name} was removed at {promotion.trained_model.removed_at:%Y-%m-%d %H:%M} UTC. "
            "Train it again. Nothing was changed."
        )


def _refuse_other_incumbent(promotion: Promotion) -> None:
    """A gain over one model says nothing of another that answers by now."""
    stored = stored_config(promotion.task)
    compared, now = incumbent_of(promotion), stored.main() if stored else settled_target(promotion.task)
    if compared is not None and compared != now:
        raise PromotionRefused(
            f"The candidate was compared with {compared}, and {now} answers {promotion.task!r} by now. Evaluate it "
            "beside that one. Nothing was changed."
        )


def _with_candidate(promotion: Promotion, share: float) -> RouteConfig:
    """The route as it was, with the candidate's share taken off everybody else's."""
    candidate = candidate_of(promotion)
    before = parse_route(promotion.route_from) if promotion.route_from else single(settled_target(promotion.task))
    others = [each for each in before.shares if each.target != candidate]
    rest = sum(each.weight for each in others)
    scaled = [Share(each.target, each.weight * (_WHOLE - share) / rest) for each in others] if rest else []
    shares = (*(each for each in scaled if each.weight), Share(candidate, share if scaled else _WHOLE))
    fallback = before.fallback or next(iter(each.target for each in others), None)
    return replace(before, shares=shares, fallback=fallback)


def _without_candidate(promotion: Promotion) -> RouteConfig | None:
    """What the route shall be; None: as in the settings."""
    route = Route.objects.filter(pk=promotion.task).first()
    before = parse_route(promotion.route_from) if promotion.route_from else None
    if route is None or route.config is None or route.version == promotion.route_version:
        return before
    return parse_route(route.config).without(candidate_of(promotion)) or before


def _note(promotion: Promotion, change: RouteChange, *, share: float, by: str, reason: str) -> None:
    promotion.state = _State.APPROVED
    promotion.share = share
    promotion.route_to, promotion.route_version = change.after, change.version
    promotion.decided_by, promotion.decided_at, promotion.reason = by, datetime.now(UTC), reason
    promotion.save()


def _end_former(promotion: Promotion, by: str) -> None:
    for former in Promotion.objects.select_for_update().filter(task=promotion.task, state=_State.APPROVED):
        _end(former, _State.REPLACED, by, f"promotion {promotion.pk} was approved")


def _end(promotion: Promotion, state: Promotion.State, by: str, why: str) -> None:
    promotion.state = state
    promotion.share = 0.0
    promotion.ended_by, promotion.ended_at, promotion.ended_why = by, datetime.now(UTC), why
    promotion.save()


def _restore_former(promotion: Promotion) -> None:
    """What this one had replaced answers again, and is watched again."""
    former = Promotion.objects.filter(task=promotion.task, state=_State.REPLACED).order_by("-ended_at").first()
    if former is None or promotion.route_from is None or former.route_to != promotion.route_from:
        return
    shares = {share.target: share.weight for share in parse_route(promotion.route_from).shares}
    former.share = shares.get(candidate_of(former), 0.0)
    former.state = _State.APPROVED
    former.ended_by, former.ended_at, former.ended_why = "", None, ""
    former.save()
