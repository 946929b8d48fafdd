"""A promoted model that fails, or pleases less, is taken off its route."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from capture_app.models import ExampleIndex, Feedback, Review, RouteMinute
from capture_app.routing.config import Target
from capture_app.routing.service import stored_config
from continuous_training.models import Promotion
from continuous_training.promotion.service import approve
from continuous_training.promotion.watch import watch_promotions
from tests.unit.continuous_training.promotion.evaluations import proposed

pytestmark = pytest.mark.django_db
BIG, TUNED = Target("openai", "big"), Target("local", "tuned")


@pytest.fixture
def promotion() -> Promotion:
    """It has answered half of the calls for an hour."""
    found = approve(proposed().pk, by="bob", reason="", share=50.0)
    Promotion.objects.update(decided_at=datetime.now(UTC) - timedelta(hours=1))
    return found


def answered(target: Target, answered: int, failed: int, *, ago: timedelta = timedelta(minutes=2)) -> None:
    RouteMinute.objects.create(
        route="shop",
        provider=target.provider,
        model_name=target.model,
        minute=datetime.now(UTC) - ago,
        answered=answered,
        failed=failed,
    )


def judged(target: Target, good: int, bad: int, *, by_score: bool = False, days_ago: float = 0.01) -> None:
    for number in range(good + bad):
        at = datetime.now(UTC) - timedelta(days=days_ago)
        example = ExampleIndex.objects.create(
            id=uuid4().hex, task="shop", provider=target.provider, model_name=target.model, created_at=at
        )
        if by_score:
            Feedback.objects.create(example=example, score=float(number < good), source="app", created_at=at)
        else:
            verdict = "good" if number < good else "bad"
            Review.objects.create(example=example, verdict=verdict, reviewed_by="ada", reviewed_at=at)


def rolled_back() -> list[str]:
    return [promotion.ended_why for promotion in watch_promotions()]


def test_a_model_that_does_well_stays(promotion: Promotion) -> None:
    answered(TUNED, 100, 5)
    judged(TUNED, 19, 1)
    judged(BIG, 19, 1)

    assert rolled_back() == []


def test_one_that_fails_too_often_is_rolled_back(promotion: Promotion) -> None:
    answered(TUNED, 94, 6)
    answered(BIG, 100, 0)

    assert rolled_back() == ["6.0% of its 100 calls failed, 0.0% of the incumbent's; 5.0% may"]
    promotion.refresh_from_db()
    assert (promotion.state, promotion.ended_by) == ("rolled back", "watch")
    assert stored_config("shop") is None
    assert rolled_back() == []


def test_with_few_calls_nothing_is_said(promotion: Promotion) -> None:
    answered(TUNED, 0, 19)

    assert rolled_back() == []


def test_when_the_incumbent_fails_as_well_going_back_helps_nobody(promotion: Promotion) -> None:
    answered(TUNED, 10, 90)
    answered(BIG, 50, 50)

    assert rolled_back() == []


def test_what_failed_before_the_promotion_is_not_its_fault(promotion: Promotion) -> None:
    answered(TUNED, 0, 100, ago=timedelta(hours=3))

    assert rolled_back() == []


@pytest.mark.parametrize("by_score", [False, True], ids=["verdicts", "scores"])
def test_one_that_pleases_less_is_rolled_back(promotion: Promotion, by_score: bool) -> None:
    judged(TUNED, 16, 4, by_score=by_score)
    judged(BIG, 20, 0, by_score=by_score, days_ago=3)

    assert rolled_back() == ["its mean rating is 0.80 (20), the incumbent's 1.00 (20); 0.1 below may be"]


def test_few_ratings_say_nothing(promotion: Promotion) -> None:
    judged(TUNED, 0, 19)
    judged(BIG, 20, 0)

    assert rolled_back() == []


def test_ratings_of_other_tasks_say_nothing(promotion: Promotion) -> None:
    judged(TUNED, 0, 20)
    judged(BIG, 20, 0)
    ExampleIndex.objects.filter(model_name="tuned").update(task="ads")

    assert rolled_back() == []


def test_thresholds_are_settings(promotion: Promotion, settings: object) -> None:
    settings.CONTINUOUS_TRAINING = {"WATCH": {"MIN_CALLS": 5}}  # type: ignore[attr-defined]  # pytest-django's
    answered(TUNED, 0, 5)

    assert len(rolled_back()) == 1


def test_what_nobody_approved_is_not_watched() -> None:
    proposed()
    answered(TUNED, 0, 100)

    assert rolled_back() == []
