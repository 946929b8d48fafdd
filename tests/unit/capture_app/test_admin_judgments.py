"""Feedback and tokens in the admin: to look at, without the words and without the token."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from capture_app import record_feedback
from capture_app.api_tokens import create_token
from capture_app.models import ApiToken

pytestmark = pytest.mark.django_db

SECRET = "a secret of Ada"


def page(client: Client, name: str, *arguments: object) -> str:
    response = client.get(reverse(f"admin:capture_app_{name}", args=arguments))
    assert response.status_code == 200
    return response.content.decode()


def test_feedback_is_listed_without_its_words(admin_client: Client) -> None:
    told = record_feedback("e-1", score=0.25, label=SECRET, comment=SECRET, correction=SECRET, source="shop")

    for html in (page(admin_client, "feedback_changelist"), page(admin_client, "feedback_change", told.id)):
        for text in ("e-1", "0.25", "shop"):
            assert text in html
        assert SECRET not in html


def test_the_words_of_feedback_are_not_even_fetched(
    admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    told = record_feedback("e-1", comment=SECRET, correction=SECRET)

    with django_assert_max_num_queries(20) as queries:
        page(admin_client, "feedback_changelist")
        page(admin_client, "feedback_change", told.id)
    fetched = [query["sql"] for query in queries if "capture_app_feedback" in query["sql"]]
    assert fetched
    assert not any('"capture_app_feedback"."correction",' in sql for sql in fetched)


def test_feedback_is_found_by_its_example_though_that_is_not_indexed(admin_client: Client) -> None:
    record_feedback("e-1", score=0.25)
    record_feedback("e-2", score=0.75)

    html = admin_client.get(reverse("admin:capture_app_feedback_changelist"), {"q": "e-2"}).content.decode()

    assert "0.75" in html
    assert "0.25" not in html


def test_a_token_is_listed_without_its_hash(admin_client: Client) -> None:
    made = create_token("shop", scopes=["feedback"])
    token = ApiToken.objects.get()

    for html in (page(admin_client, "apitoken_changelist"), page(admin_client, "apitoken_change", token.pk)):
        assert "shop" in html
        assert "feedback" in html
        assert token.digest not in html
        assert made.token not in html


@pytest.mark.parametrize("model", ["feedback", "apitoken"])
def test_nobody_adds_or_changes_one_here(admin_client: Client, model: str) -> None:
    assert admin_client.get(reverse(f"admin:capture_app_{model}_add")).status_code == 403
    assert admin_client.post(reverse(f"admin:capture_app_{model}_add"), {"name": "x"}).status_code == 403


@pytest.mark.parametrize("model", ["feedback", "apitoken"])
def test_staff_need_the_permission_to_view(client: Client, model: str) -> None:
    client.force_login(User.objects.create_user("clerk", is_staff=True))

    assert client.get(reverse(f"admin:capture_app_{model}_changelist")).status_code == 403
