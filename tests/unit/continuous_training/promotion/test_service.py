"""Proposing, approving, rejecting and rolling back."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from capture_app.models import RouteChange
from capture_app.routing.config import Target, parse_route, single
from capture_app.routing.service import set_route, stored_config
from continuous_training.exceptions import PromotionRefused
from continuous_training.models import Promotion, TrainedModel, TrainingRun
from continuous_training.promotion.service import approve, propose, reject, undo
from tests.unit.continuous_training.promotion.evaluations import BETTER, WORSE, evaluated, measured, proposed

pytestmark = pytest.mark.django_db
BIG, TUNED = Target("openai", "big"), Target("local", "tuned")


def weights() -> dict[Target, float]:
    config = stored_config("shop")
    return {share.target: share.weight for share in config.shares} if config else {}


def approved(promotion: Promotion, share: float = 100.0) -> Promotion:
    return approve(promotion.pk, by="bob", reason="it is better", share=share)


def undone(promotion: Promotion) -> Promotion:
    return undo(promotion.pk, by="bob", reason="users complain")


def trained(model: str = "tuned") -> TrainedModel:
    run = TrainingRun.objects.create(
        id=model,
        task="shop",
        trainer="t",
        base_model="b",
        requested_by="ada",
        requested_at=datetime.now(UTC),
        data={"pairs": 12},
    )
    return TrainedModel.objects.create(
        id=model, run=run, task="shop", provider="local", model=model, created_at=datetime.now(UTC)
    )


def test_what_passes_the_gate_is_proposed_and_changes_nothing() -> None:
    assert proposed().state == "proposed"
    assert weights() == {}


def test_a_worse_candidate_is_refused_and_nobody_can_approve_it() -> None:
    promotion = proposed(WORSE)

    assert promotion.state == "refused"
    with pytest.raises(PromotionRefused, match="is refused, and cannot be approved"):
        approved(promotion)
    assert weights() == {}


def test_the_promotion_says_what_was_measured_and_trained_on() -> None:
    model = trained()

    promotion = proposed()

    assert (promotion.trained_model, promotion.data) == (model, {"pairs": 12})
    assert promotion.metrics == BETTER.as_json()
    assert {check["name"] for check in promotion.gate} >= {"items", "gain", "errors"}


def test_proposed_again_it_is_the_same() -> None:
    evaluation = evaluated()

    assert propose(evaluation.pk, by="ada") == propose(evaluation.pk, by="bob")


@pytest.mark.parametrize("state", ["running", "failed"])
def test_an_evaluation_that_did_not_end_well_proposes_nothing(state: str) -> None:
    with pytest.raises(PromotionRefused, match=state):
        propose(evaluated(state=state).pk, by="ada")
    with pytest.raises(PromotionRefused, match="no evaluation 'x'"):
        propose("x", by="ada")


def test_approved_it_answers_and_the_incumbent_steps_in() -> None:
    promotion = approved(proposed())

    assert weights() == {TUNED: 100.0}
    assert stored_config("shop").fallback == BIG  # type: ignore[union-attr]  # it was just stored
    assert (promotion.decided_by, promotion.reason, promotion.share) == ("bob", "it is better", 100.0)
    assert RouteChange.objects.get().reason == f"promotion {promotion.pk}: it is better"


def test_a_canary_takes_its_share_and_may_grow() -> None:
    promotion = approved(proposed(), share=5.0)
    assert weights() == {BIG: 95.0, TUNED: 5.0}

    approved(promotion, share=25.0)

    assert weights() == {BIG: 75.0, TUNED: 25.0}


@pytest.mark.parametrize("share", [0.0, -1.0, 100.1, float("nan")])
def test_a_share_is_some_of_all(share: float) -> None:
    with pytest.raises(PromotionRefused, match="no share"):
        approved(proposed(), share=share)


def test_what_else_the_route_says_stays(providers: None) -> None:
    config = parse_route(
        {
            "targets": [{"provider": "openai", "model": "big", "weight": 3}, {"provider": "openai", "model": "alt"}],
            "vision": {"provider": "openai", "model": "seeing"},
            "fallback": {"provider": "openai", "model": "spare"},
        }
    )
    set_route("shop", config, by="ada")

    approved(proposed(), share=20.0)

    assert weights() == {BIG: 60.0, Target("openai", "alt"): 20.0, TUNED: 20.0}
    after = stored_config("shop")
    assert after
    assert (after.vision, after.fallback) == (config.vision, config.fallback)


def test_a_gain_over_one_model_says_nothing_of_another() -> None:
    promotion = proposed()
    set_route("shop", single(Target("openai", "new")), by="eve")

    with pytest.raises(PromotionRefused, match=r"compared with openai/big, and openai/new answers"):
        approved(promotion)


def test_a_model_that_is_gone_cannot_answer() -> None:
    model = trained()
    promotion = proposed()
    TrainedModel.objects.filter(pk=model.pk).update(removed_at=datetime.now(UTC))

    with pytest.raises(PromotionRefused, match="was removed at"):
        approved(promotion)


def test_rejected_it_is_out() -> None:
    promotion = reject(proposed().pk, by="bob", reason="not now")

    assert (promotion.state, promotion.decided_by, promotion.reason) == ("rejected", "bob", "not now")
    with pytest.raises(PromotionRefused, match="is rejected"):
        approved(promotion)
    with pytest.raises(PromotionRefused, match="is rejected already"):
        reject(promotion.pk, by="bob", reason="")


@pytest.mark.parametrize("share", [5.0, 100.0])
def test_rolled_back_the_route_is_as_it_was(share: float) -> None:
    promotion = undone(approved(proposed(), share=share))

    assert weights() == {}
    assert (promotion.state, promotion.ended_by, promotion.ended_why) == ("rolled back", "bob", "users complain")
    with pytest.raises(PromotionRefused, match="nothing to roll back"):
        undone(promotion)


def test_rolled_back_what_people_changed_since_stays() -> None:
    promotion = approved(proposed(), share=20.0)
    said = {
        "targets": [{"provider": "openai", "model": "big", "weight": 1}, {"provider": "local", "model": "tuned"}],
        "vision": {"provider": "openai", "model": "seeing"},
    }
    set_route("shop", parse_route(said), by="eve")

    undone(promotion)

    assert weights() == {BIG: 1.0}
    assert stored_config("shop").vision == Target("openai", "seeing")  # type: ignore[union-attr]  # weights() has seen it


def test_a_second_promotion_replaces_the_first_and_its_roll_back_brings_that_back() -> None:
    first = approved(proposed())
    second = approved(proposed(model="tuned 2", incumbent_provider="local", incumbent_model="tuned"))
    first.refresh_from_db()
    assert (first.state, first.share) == ("replaced", 0.0)

    undone(second)

    first.refresh_from_db()
    assert (first.state, first.share) == ("approved", 100.0)
    assert weights() == {TUNED: 100.0}


def test_without_an_incumbent_the_first_model_may_answer(capture: Callable[..., None]) -> None:
    promotion = approved(proposed(measured([1.0] * 40)), share=50.0)

    assert weights() == {BIG: 50.0, TUNED: 50.0}  # the settings lead there, whoever that is
    assert promotion.state == "approved"


def test_when_the_route_cannot_be_changed_nothing_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    promotion = proposed()

    def down(*args: Any, **values: Any) -> None:
        raise OSError("down")

    monkeypatch.setattr("continuous_training.promotion.service.set_route", down)
    with pytest.raises(OSError, match="down"):
        approved(promotion)

    promotion.refresh_from_db()
    assert promotion.state == "proposed"


def test_who_decides_about_nothing_is_told() -> None:
    with pytest.raises(PromotionRefused, match="no promotion 7"):
        approve(7, by="bob", reason="")
