"""Captured examples in the admin as capture_app has it on its own: to look at, and nothing else."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from capture_app.services import drain_captures
from tests.unit.capture_app.captured import example, spool

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.unit.capture_app.plain_admin")]

LIST = "admin:capture_app_exampleindex_changelist"
DETAIL = "admin:capture_app_exampleindex_change"


@pytest.fixture(autouse=True)
def examples() -> None:
    spool(
        example(id="e-1", task="shop", prompt_text="What is the price?", response_strong="12 EUR"),
        example(id="e-2", task="mail", prompt_text="<script>alert(1)</script>", response_strong="<b>bold</b>"),
    )
    drain_captures()


def page(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return response.content.decode()


def test_the_list_shows_what_was_captured(admin_client: Client) -> None:
    html = page(admin_client, reverse(LIST))

    for text in ("shop", "What is the price?", "12 EUR", "offline-extract"):
        assert text in html


def test_the_list_can_be_filtered_by_task(admin_client: Client) -> None:
    html = page(admin_client, f"{reverse(LIST)}?task=shop")

    assert "1 captured example" in html
    assert "12 EUR" in html


@pytest.mark.parametrize("words", ["price", "e-1"])
def test_the_list_can_be_searched(admin_client: Client, words: str) -> None:
    html = page(admin_client, f"{reverse(LIST)}?q={words}")

    assert "1 captured example" in html
    assert "12 EUR" in html


def test_the_list_can_be_narrowed_to_a_day(admin_client: Client) -> None:
    html = page(admin_client, f"{reverse(LIST)}?created_at__year=2026&created_at__month=3&created_at__day=1")

    assert "2 captured examples" in html


def test_the_page_of_an_example_shows_its_figures(admin_client: Client) -> None:
    html = page(admin_client, reverse(DETAIL, args=["e-1"]))

    for text in ("What is the price?", "12 EUR", "0" * 64):
        assert text in html


@pytest.mark.parametrize(("name", "arguments"), [(LIST, []), (DETAIL, ["e-2"])], ids=["list", "detail"])
def test_what_a_model_wrote_is_shown_and_not_run(admin_client: Client, name: str, arguments: list[str]) -> None:
    html = page(admin_client, reverse(name, args=arguments))

    assert "<script>alert(1)</script>" not in html
    assert "<b>bold</b>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_nobody_adds_an_example_by_hand(admin_client: Client) -> None:
    add = reverse("admin:capture_app_exampleindex_add")

    assert add not in page(admin_client, reverse(LIST))
    assert admin_client.get(add).status_code == 403


def test_nobody_edits_or_deletes_an_example(admin_client: Client) -> None:
    html = page(admin_client, reverse(DETAIL, args=["e-1"]))

    assert 'name="_save"' not in html
    assert "deletelink" not in html
    assert admin_client.post(reverse(DETAIL, args=["e-1"]), {"task": "other"}).status_code == 403
    assert admin_client.post(reverse("admin:capture_app_exampleindex_delete", args=["e-1"])).status_code == 403


def test_who_may_not_view_examples_sees_none(client: Client) -> None:
    client.force_login(User.objects.create_user("clerk", is_staff=True))

    assert client.get(reverse(LIST)).status_code == 403


def test_the_jobs_can_be_looked_at_and_not_changed(admin_client: Client) -> None:
    html = page(admin_client, reverse("admin:capture_app_job_changelist"))

    assert "drain" in html
    assert "ok" in html
    assert admin_client.get(reverse("admin:capture_app_job_add")).status_code == 403
    assert admin_client.post(reverse("admin:capture_app_job_change", args=["drain"]), {"rows": 7}).status_code == 403
