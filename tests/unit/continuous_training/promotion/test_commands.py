"""The commands around promotions."""

import json
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from capture_app.routing.service import stored_config
from tests.unit.continuous_training.promotion.evaluations import WORSE, evaluated, proposed

pytestmark = pytest.mark.django_db


def run(*arguments: Any) -> str:
    out = StringIO()
    call_command(*map(str, arguments), stdout=out)
    return out.getvalue()


@pytest.fixture
def bob() -> str:
    User.objects.create_superuser("bob")
    return "bob"


def test_a_candidate_is_proposed_approved_and_rolled_back(bob: str) -> None:
    told = run("propose_promotion", evaluated().pk, "--by", "ada")
    assert "holds  gain: +0.500" in told
    number = told.split("Promotion ")[1].split()[0]

    told = run("decide_promotion", number, "--approve", "--share", 5, "--by", bob, "--reason", "canary")
    assert told.strip().endswith("is approved: it answers 5 % of the calls.")
    assert stored_config("shop")

    run("decide_promotion", number, "--roll-back", "--by", bob, "--reason", "complaints")
    assert stored_config("shop") is None
    assert f"{number}  shop: local/tuned  rolled back, by bob" in run("promotions")


def test_what_the_gate_refuses_ends_with_1() -> None:
    with pytest.raises(CommandError, match="The gate refused") as refusal:
        run("propose_promotion", evaluated(WORSE).pk, "--by", "ada")

    assert refusal.value.returncode == 1


def test_nobody_without_the_right_decides() -> None:
    User.objects.create_user("eve")
    for name in ("eve", "nobody"):
        with pytest.raises(CommandError, match=f"'{name}' is no user with the right"):
            run("decide_promotion", proposed().pk, "--reject", "--by", name, "--reason", "x")


def test_scripts_read_json() -> None:
    promotion = proposed()

    [found] = json.loads(run("promotions", "--task", "shop", "--json"))["promotions"]

    assert (found["id"], found["state"], found["evaluation"]) == (promotion.pk, "proposed", promotion.evaluation_id)
    assert json.loads(run("promotions", "--task", "ads", "--json")) == {"promotions": []}


def test_without_promotions_it_says_what_makes_them() -> None:
    assert "propose_promotion" in run("promotions")
