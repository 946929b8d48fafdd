"""Pages: put tags on examples, and take them off."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from capture_app.models import ExampleTag
from console.models import AuditEvent

pytestmark = pytest.mark.django_db

REVIEW = "console.review_examples"
Make = Callable[..., list[str]]
Staff = Callable[..., Client]


def url() -> str:
    return reverse("admin:console_tag")


def save(client: Client, ids: list[str], **fields: str) -> Any:
    return client.post(url(), {"ids": json.dumps(ids), "save": "1", **fields})


def tags_of(example_id: str) -> set[str]:
    return set(ExampleTag.objects.filter(example_id=example_id).values_list("tag", flat=True))


def test_tags_are_put_on_and_taken_off(staff: Staff, example_ids: Make) -> None:
    client, (first, second) = staff(REVIEW), example_ids(2)
    save(client, [first], add="old")

    answer = save(client, [first, second], add="good, for the demo ,", remove="old")

    assert answer.status_code == 302
    assert tags_of(first) == tags_of(second) == {"good", "for the demo"}


def test_it_is_noted_without_the_words(staff: Staff, example_ids: Make) -> None:
    save(staff(REVIEW), example_ids(2), add="a secret word")

    event = AuditEvent.objects.get()
    assert (event.action, event.examples, event.details) == ("tagged", 2, {"added": 1, "removed": 0})


@pytest.mark.parametrize("add", ["x" * 101, "a\x00b", "a\x1bb", " , ,"])
def test_what_is_no_tag_is_refused_and_nothing_is_noted(staff: Staff, example_ids: Make, add: str) -> None:
    answer = save(staff(REVIEW), example_ids(1), add=add)

    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()
    assert not ExampleTag.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_tag_is_shown_as_text(staff: Staff, example_ids: Make) -> None:
    client, ids = staff(REVIEW), example_ids(1)
    save(client, ids, add="<script>alert(1)</script>")

    page = client.get(url(), {"id": ids[0]}).content.decode()

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page


@pytest.mark.parametrize("next_", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "\\\\evil", "x"])
def test_nobody_is_sent_to_another_site(staff: Staff, example_ids: Make, next_: str) -> None:
    answer = save(staff(REVIEW), example_ids(1), add="good", next=next_)

    assert answer["Location"] == reverse("admin:capture_app_exampleindex_changelist")


def test_one_comes_back_to_the_list_as_it_was(staff: Staff, example_ids: Make) -> None:
    wanted = reverse("admin:capture_app_exampleindex_changelist") + "?task=shop"

    assert save(staff(REVIEW), example_ids(1), add="good", next=wanted)["Location"] == wanted
