"""The page of a promotion: who sees it, who decides, and what it says."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from capture_app.routing.config import Target
from capture_app.routing.service import stored_config
from continuous_training.models import Promotion
from continuous_training.promotion.service import approve
from tests.unit.continuous_training.promotion.evaluations import WORSE, proposed

pytestmark = pytest.mark.django_db


@pytest.fixture
def logged_in() -> Callable[..., Client]:
    def client(*rights: str) -> Client:
        user = User.objects.create_user("bob", password="x", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=rights))
        found = Client()
        found.force_login(user)
        return found

    return client


@pytest.fixture
def viewer(logged_in: Callable[..., Client]) -> Client:
    return logged_in("view_promotion")


@pytest.fixture
def decider(logged_in: Callable[..., Client]) -> Client:
    return logged_in("view_promotion", "decide_promotion")


def page(promotion: Promotion) -> str:
    return reverse("admin:continuous_training_promotion_change", args=[promotion.pk])


def decide(client: Client, promotion: Promotion, button: str, **said: Any) -> Any:
    url = reverse("admin:continuous_training_promotion_decide", args=[promotion.pk])
    found = client.post(url, {button: "1", "reason": "it is better", "share": "5", **said}, follow=True)
    promotion.refresh_from_db()
    return found


def test_the_page_says_what_was_asked_and_found(viewer: Client) -> None:
    html = viewer.get(page(proposed(WORSE))).content.decode()

    assert "local/tuned" in html
    assert "-1.000" in html
    assert "+0.000 at least" in html


def test_the_list_shows_all(viewer: Client) -> None:
    proposed()
    proposed(WORSE)

    html = viewer.get(reverse("admin:continuous_training_promotion_changelist")).content.decode()

    assert html.count("local/tuned") == 2


def test_a_hostile_name_is_text(viewer: Client) -> None:
    html = viewer.get(page(proposed(model="<script>alert(1)</script>", task="<b>shop"))).content.decode()

    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_who_may_decide_approves_a_canary(decider: Client) -> None:
    promotion = proposed()

    html = decide(decider, promotion, "approve").content.decode()

    assert "It answers 5 % of the calls from now on" in html
    assert (promotion.state, promotion.decided_by, promotion.reason) == ("approved", "bob", "it is better")
    config = stored_config("shop")
    assert config
    assert {share.target: share.weight for share in config.shares}[Target("local", "tuned")] == 5


def test_rejecting_and_rolling_back_are_buttons_too(decider: Client) -> None:
    first, second = proposed(), proposed(model="tuned 2")
    approve(second.pk, by="ada", reason="")

    decide(decider, first, "reject", share="")
    decide(decider, second, "roll_back", share="")

    assert (first.state, second.state, second.ended_by) == ("rejected", "rolled back", "bob")
    assert stored_config("shop") is None


@pytest.mark.parametrize("said", [{"reason": ""}, {"share": "0"}, {"share": "101"}, {"share": "nan"}, {"share": "x"}])
def test_a_word_that_says_nothing_is_asked_again(decider: Client, said: dict[str, str]) -> None:
    promotion = proposed()

    html = decide(decider, promotion, "approve", **said).content.decode()

    assert "errorlist" in html
    assert promotion.state == "proposed"


def test_what_the_service_refuses_is_said(decider: Client) -> None:
    promotion = proposed(WORSE)

    html = decide(decider, promotion, "approve").content.decode()

    assert "is refused, and cannot be approved" in html
    assert stored_config("shop") is None


def test_without_the_right_nobody_decides(viewer: Client) -> None:
    promotion = proposed()

    assert decide(viewer, promotion, "approve").status_code == 403
    assert promotion.state == "proposed"
    html = viewer.get(page(promotion)).content.decode()
    assert "you need the right" in html
    assert "<form method" not in html.split("content-main")[1]


def test_without_the_right_to_look_nobody_looks(logged_in: Callable[..., Client]) -> None:
    assert logged_in().get(page(proposed())).status_code == 403


def test_the_page_takes_no_form_but_the_decision(decider: Client) -> None:
    promotion = proposed()

    assert decider.post(page(promotion)).status_code == 405
    assert decider.get(reverse("admin:continuous_training_promotion_decide", args=[promotion.pk])).status_code == 405
    assert decider.get(reverse("admin:continuous_training_promotion_change", args=[999])).status_code == 404
