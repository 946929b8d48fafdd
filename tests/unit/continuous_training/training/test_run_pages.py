"""The pages of runs and evaluations: found by the links of their lists, and what may be done there."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from continuous_training.admin.runs import CURVE
from continuous_training.models import TrainingRun
from continuous_training.training.folders import run_folder
from tests.unit.continuous_training.promotion.evaluations import evaluated

pytestmark = pytest.mark.django_db


@pytest.fixture
def log_in() -> Callable[..., Client]:
    def client(*rights: str) -> Client:
        user = User.objects.create_user("bob", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=rights))
        found = Client()
        found.force_login(user)
        return found

    return client


@pytest.fixture
def run() -> TrainingRun:
    return TrainingRun.objects.create(
        id="a_shop_2026w47-abc123",
        task="a shop",
        trainer="local_lora",
        base_model="<b>base",
        requested_by="ada",
        requested_at=datetime.now(UTC),
        progress={"step": 3, "steps": 10, "loss": 1.25},
    )


def page(name: str, *args: str) -> str:
    return reverse(f"admin:continuous_training_{name}", args=args)


def test_the_list_leads_to_the_page_of_a_run(log_in: Callable[..., Client], run: TrainingRun) -> None:
    client = log_in("view_trainingrun")
    link = page("trainingrun_change", quote(run.pk))
    assert f'href="{link}"' in client.get(page("trainingrun_changelist")).content.decode()

    html = client.get(link).content.decode()

    assert "step 3 of 10" in html
    assert "&lt;b&gt;base" in html
    assert "Stop it" not in html


def test_who_may_change_runs_stops_one(log_in: Callable[..., Client], run: TrainingRun) -> None:
    client = log_in("view_trainingrun", "change_trainingrun")
    assert "Stop it" in client.get(page("trainingrun_change", quote(run.pk))).content.decode()

    client.post(page("trainingrun_cancel", run.pk))

    run.refresh_from_db()
    assert (run.state, run.cancel_requested_by) == ("cancelled", "bob")


def test_who_may_only_look_stops_nothing(log_in: Callable[..., Client], run: TrainingRun) -> None:
    assert log_in("view_trainingrun").post(page("trainingrun_cancel", run.pk)).status_code == 403


def test_the_curve_is_shown_when_there_is_one(log_in: Callable[..., Client], run: TrainingRun) -> None:
    client = log_in("view_trainingrun")
    assert client.get(page("trainingrun_curve", run.pk)).status_code == 404
    run_folder(run.pk).mkdir(parents=True)
    (run_folder(run.pk) / CURVE).write_bytes(b"\x89PNG")

    answer = client.get(page("trainingrun_curve", run.pk))

    assert (answer["Content-Type"], answer.getvalue()) == ("image/png", b"\x89PNG")


def test_an_evaluation_is_proposed_by_who_may(log_in: Callable[..., Client]) -> None:
    evaluation = evaluated(id="eval_1", gold={"kind": "file", "name": "gold.jsonl", "items": 40, "sha256": "0"})
    client = log_in("view_evaluation", "add_promotion", "view_promotion")
    html = client.get(page("evaluation_change", quote(evaluation.pk))).content.decode()
    assert "Hold the candidate against the gate" in html
    assert "The candidate is better" in html

    html = client.post(page("evaluation_propose", evaluation.pk), follow=True).content.decode()

    assert "The gate has judged it: Proposed." in html
