"""The watch over promoted models: one that fails more than it may, or pleases less than the incumbent, is rolled back.

It looks each minute at what the route counted (capture_app.routing.minutes) and at what people and applications said of
the examples (verdicts and scores), the candidate's beside the incumbent's.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.db.models import Avg, Case, Count, FloatField, Q, QuerySet, Value, When

from capture_app.judgments import RATINGS
from capture_app.models import ExampleIndex, Review
from capture_app.routing.config import Target
from capture_app.routing.minutes import outcomes_since
from continuous_training.exceptions import PromotionRefused
from continuous_training.models import Promotion
from continuous_training.promotion.service import candidate_of, incumbent_of, undo
from continuous_training.promotion.thresholds import Watch, watch_settings

WATCH: Final = "watch"  # who rolls back, where nobody does

logger = logging.getLogger("continuous_training")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """What was said of one model's answers."""

    ratings: int
    mean: float | None  # on the scale of the ratings; None of none


def watch_promotions() -> list[Promotion]:
    """Look at every promotion that is on its route; those that were rolled back."""
    watch = watch_settings()
    found = []
    for promotion in Promotion.objects.filter(state=Promotion.State.APPROVED).select_related("evaluation"):
        reason = fault_of(promotion, watch)
        if not reason:
            continue
        try:
            found.append(undo(promotion.pk, by=WATCH, reason=reason))
        except PromotionRefused as refusal:  # somebody was quicker
            logger.info("%s", refusal)
        else:
            logger.error("The promotion %d of %s was rolled back: %s.", promotion.pk, promotion.task, reason)
    return found


def fault_of(promotion: Promotion, watch: Watch) -> str:
    """Why it should answer no more; "" while nothing speaks against it."""
    return next((fault for fault in _faults(promotion, watch) if fault), "")


def _faults(promotion: Promotion, watch: Watch) -> Iterator[str]:
    yield _errors(promotion, watch)
    yield _ratings(promotion, watch)


def _errors(promotion: Promotion, watch: Watch) -> str:
    since = max(_begun(promotion), datetime.now(UTC) - watch.error_window).replace(second=0, microsecond=0)
    answered, failed = outcomes_since(promotion.task, candidate_of(promotion), since)
    calls = answered + failed
    if calls < watch.min_calls or failed / calls <= watch.max_error_rate:
        return ""
    rate, other = failed / calls, _incumbents_rate(promotion, watch, since)
    if other is not None and rate <= other * watch.max_error_ratio:
        return ""  # going back would help nobody
    beside = "" if other is None else f", {other:.1%} of the incumbent's"
    return f"{rate:.1%} of its {calls} calls failed{beside}; {watch.max_error_rate:.1%} may"


def _incumbents_rate(promotion: Promotion, watch: Watch, since: datetime) -> float | None:
    """None: it was asked too little in this time to say."""
    incumbent = incumbent_of(promotion)
    if incumbent is None:
        return None
    answered, failed = outcomes_since(promotion.task, incumbent, since)
    calls = answered + failed
    return failed / calls if calls >= watch.min_calls else None


def _ratings(promotion: Promotion, watch: Watch) -> str:
    incumbent = incumbent_of(promotion)
    if incumbent is None or watch.max_rating_fall is None:
        return ""
    since = datetime.now(UTC) - watch.rating_window
    mine = rated(promotion.task, candidate_of(promotion), max(_begun(promotion), since))
    # The incumbent's count from before the promotion, too: afterwards it may answer nothing any more.
    theirs = rated(promotion.task, incumbent, min(_begun(promotion), datetime.now(UTC)) - watch.rating_window)
    if mine.mean is None or theirs.mean is None or min(mine.ratings, theirs.ratings) < watch.min_ratings:
        return ""
    if theirs.mean - mine.mean <= watch.max_rating_fall:
        return ""
    return (
        f"its mean rating is {mine.mean:.2f} ({mine.ratings}), the incumbent's {theirs.mean:.2f} ({theirs.ratings}); "
        f"{watch.max_rating_fall:g} below may be"
    )


def rated(task: str, target: Target, since: datetime) -> Rated:
    """What reviewers' verdicts and applications' scores say of the target's answers since then."""
    answers = ExampleIndex.objects.filter(
        task=task, provider=target.provider, model_name=target.model, created_at__gte=since
    )
    said = [_verdicts(answers), _scores(answers)]
    count = sum(number for number, _ in said)
    total = sum(number * mean for number, mean in said)
    return Rated(ratings=count, mean=total / count if count else None)


def _verdicts(answers: QuerySet[ExampleIndex]) -> tuple[int, float]:
    value = Case(
        *(When(review__verdict=verdict, then=Value(float(rating))) for verdict, rating in RATINGS.items()),
        output_field=FloatField(),
    )
    found = answers.filter(review__verdict__in=Review.Verdict.values).aggregate(count=Count("pk"), mean=Avg(value))
    return found["count"], found["mean"] or 0.0


def _scores(answers: QuerySet[ExampleIndex]) -> tuple[int, float]:
    found = answers.filter(~Q(feedback__score=None)).aggregate(count=Count("feedback__pk"), mean=Avg("feedback__score"))
    return found["count"], found["mean"] or 0.0


def _begun(promotion: Promotion) -> datetime:
    return promotion.decided_at or promotion.proposed_at
