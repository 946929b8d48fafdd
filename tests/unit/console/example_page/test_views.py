"""The page of one example: what it shows to whom, what it costs, and that it is noted."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from capture_app.models import ExampleIndex, ExampleTag, Feedback, ForgottenExample, Review
from console import audit
from console.example_page import beside
from console.example_page import lineage as lineage_module
from console.example_page.addresses import page_address
from console.models import AuditEvent
from tests.unit.capture_app.captured import example, spool
from tests.unit.console.example_page.conftest import Show, Store
from tests.unit.console.hostile import Page
from training_archive.made_from import MadeFrom
from training_archive.models import DatasetExport
from training_archive.services import archive_training_data

pytestmark = pytest.mark.django_db

RIGHTS = (
    "console.view_figures",
    "console.view_text",
    "console.review_examples",
    "console.export_examples",
    "console.forget_examples",
    "console.run_archive",
    "console.replay_calls",
    "console.view_audit",
    "capture_app.view_exampleindex",
)
MAY_READ = {"console.view_text", "console.review_examples", "console.export_examples", "console.replay_calls"}
MAY_LOOK = {*RIGHTS} - {"console.view_audit"}
MOST_QUERIES = 30
NOW = datetime(2026, 3, 1, 5, tzinfo=UTC)

WORDS = (
    "zprompt",
    "zsystem",
    "zanswer",
    "zvalue",
    "ztag",
    "zcomment",
    "zcorrection",
    "zlabel",
    "zopinion",
    "zuser",
    "ztalk",
)


@pytest.fixture
def judged(store: Store) -> ExampleIndex:
    """An example with all there can be."""
    gleaner = {"conversation_id": "ztalk", "user_id": "zuser"}
    same = {"metadata": {"own": "zvalue", "gleaner": gleaner}, "prompt_text": "zprompt", "system_prompt": "zsystem"}
    spool(example(id="sibling", response_strong="zanswer otherwise", **same))
    row = store(id="e-1", response_strong="zanswer", **same)
    Review.objects.create(
        example=row, verdict="bad", comment="zcomment", correction="zcorrection", reviewed_by="maria", reviewed_at=NOW
    )
    ExampleTag.objects.create(example=row, tag="ztag", tagged_by="maria", tagged_at=NOW)
    Feedback.objects.create(example=row, score=0.25, label="zlabel", comment="zopinion", source="shop", created_at=NOW)
    return row


def text(page: Page) -> str:
    return "\n".join(page.texts)


# --- Rights ----------------------------------------------------------------------------------------------------------


def test_strangers_are_sent_to_the_login(client: Client, judged: ExampleIndex) -> None:
    answer = client.get(page_address(judged.pk))

    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("admin:login"))
    assert not AuditEvent.objects.exists()


def test_staff_without_a_right_see_nothing(client_of: Callable[..., Client], judged: ExampleIndex) -> None:
    assert client_of().get(page_address(judged.pk)).status_code == 403
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("right", RIGHTS)
def test_each_right_alone_shows_what_it_is_for(
    right: str, client_of: Callable[..., Client], judged: ExampleIndex
) -> None:
    answer = client_of(right).get(page_address(judged.pk))

    assert answer.status_code == (200 if right in MAY_LOOK else 403)
    shown = text(Page(answer.content.decode()))
    assert [word for word in WORDS if word in shown] == (list(WORDS) if right in MAY_READ else [])
    if right in MAY_LOOK:
        assert "offline-extract" in shown
        assert "0.25" in shown


def test_the_trail_is_for_those_who_may_see_it(
    client_of: Callable[..., Client], admin_client: Client, judged: ExampleIndex
) -> None:
    admin_client.get(page_address(judged.pk))

    for rights, is_shown in (
        (("console.view_figures",), False),
        (("console.view_figures", "console.view_audit"), True),
    ):
        User.objects.filter(username="clerk").delete()
        page = Page(client_of(*rights).get(page_address(judged.pk)).content.decode())
        assert bool(page.texts_with("Who did what with it")) is is_shown
        assert ("admin" in page.texts) is is_shown


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_nothing_is_changed_here(method: str, admin_client: Client, judged: ExampleIndex) -> None:
    assert getattr(admin_client, method)(page_address(judged.pk)).status_code == 405


# --- What is noted ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("right", "has_text"), [("console.view_figures", False), ("console.view_text", True)])
def test_opening_it_is_noted(
    right: str, has_text: bool, client_of: Callable[..., Client], judged: ExampleIndex
) -> None:
    client_of(right).get(page_address(judged.pk))

    event = AuditEvent.objects.get()
    assert (event.user, event.action, event.example) == ("clerk", audit.SAW, "e-1")
    assert event.details == {"text": has_text}


def test_what_is_not_there_was_not_seen(show: Show) -> None:
    show("nobody", status=404)

    assert not AuditEvent.objects.exists()


def test_the_page_carries_its_headers(admin_client: Client, judged: ExampleIndex) -> None:
    answer = admin_client.get(page_address(judged.pk))

    assert "unsafe" not in answer["Content-Security-Policy"]
    assert "no-store" in answer["Cache-Control"]
    assert list(Page(answer.content.decode()).dangers()) == []


# --- What it shows ---------------------------------------------------------------------------------------------------


def test_a_correction_is_shown_beside_the_answer(show: Show, judged: ExampleIndex) -> None:
    page = show(judged.pk)

    assert {"ins", "del"} <= {tag for tag, _ in page.elements}
    assert "maria, 2026-03-01 05:00 UTC" in page.texts


@pytest.mark.parametrize(
    ("review", "feedback", "given", "shown"),
    [("r", "f", "m", "r"), ("", "f", "m", "f"), ("", "", "m", "m"), ("", "", 7, None)],
)
def test_the_correction_that_counts_is_the_one_that_exports_teach(
    review: str, feedback: str, given: Any, shown: str | None, store: Store, show: Show
) -> None:
    row = store(metadata={"correction": given}, response_strong="x")
    Review.objects.create(example=row, correction=review, reviewed_by="maria", reviewed_at=NOW)
    Feedback.objects.create(example=row, correction=feedback, source="shop", created_at=NOW)

    page = show(row.pk)

    assert bool(page.texts_with("Exports teach it")) is (shown is not None)
    assert not {"r", "f", "m"} - {shown or ""} & set(page.texts)


@pytest.mark.parametrize("few", [2_000, 0])
def test_other_answers_to_the_same_prompt_are_told(
    few: int, monkeypatch: pytest.MonkeyPatch, show: Show, judged: ExampleIndex
) -> None:
    monkeypatch.setattr(beside, "_FEW", few)

    page = show(judged.pk)

    assert "differs" in page.texts
    assert page.texts_with("zanswer otherwise")
    assert ("a", "href", page_address("sibling")) in page.attributes


def test_a_conversations_calls_are_shown_around_this_one_page_by_page(store: Store, show: Show) -> None:
    calls = [
        example(
            id=f"call-{n:02}",
            created_at=NOW.replace(tzinfo=None) + timedelta(minutes=n),
            metadata={"gleaner": {"conversation_id": "talk"}},
            prompt_text=f"question {n:02}",
        )
        for n in range(30)
    ]
    spool(*calls[1:])
    store(**calls[0]._asdict())

    page = show("call-10")
    shown = [found for found in page.texts if found.startswith("question")]
    [earlier, later] = [value for tag, name, value in page.attributes if name == "href" and value.startswith("?call")]

    assert {f"question {n:02}" for n in range(5, 16)} <= set(shown)
    assert "question 16" not in shown
    assert (earlier, later) == ("?call=call-05#ex-thread", "?call=call-15#ex-thread")
    assert show("call-10", call="call-15").texts_with("question 20")


@pytest.mark.parametrize("anchor", ["nobody", "stranger", "\0", "' OR 1=1", "x" * 10_000])
def test_an_anchor_from_elsewhere_is_passed_over(anchor: str, judged: ExampleIndex, store: Store, show: Show) -> None:
    store(id="stranger", prompt_text="a strangers question", prompt_hash="1" * 64)

    assert "a strangers question" not in show(judged.pk, call=anchor, all="2", lineage="x").texts


def test_the_next_ones_in_time_are_linked(store: Store, show: Show) -> None:
    for name in ("a", "b", "c"):
        store(id=name)

    links = [(name, value) for tag, name, value in show("b").attributes if tag == "a" and name in ("rel", "href")]

    assert ("href", page_address("c")) == links[links.index(("rel", "prev")) - 1]
    assert ("href", page_address("a")) == links[links.index(("rel", "next")) - 1]


def test_long_texts_are_cut_until_all_is_asked_for(store: Store, show: Show) -> None:
    row = store(response_strong="x" * 300_000)

    assert not show(row.pk).texts_with("x" * 200_001)
    assert show(row.pk).texts_with("300,000")
    assert show(row.pk, all="1").texts_with("x" * 300_000)


def test_its_chunk_is_named(show: Show, judged: ExampleIndex) -> None:
    archive_training_data()

    page = show(judged.pk)

    assert page.texts_with("llm_training_chunk_")
    assert "zanswer" in page.texts


@pytest.mark.parametrize(
    "example_id", ["a/b", "a?b#c", "..x", "a b_2Fc", "%2e%2e/%00", "é\n", "a&b=c", '"><b>', "../.."]
)
def test_an_id_of_any_characters_has_its_page(example_id: str, store: Store, admin_client: Client) -> None:
    row = store(id=example_id)

    assert admin_client.get(page_address(row.pk)).status_code == 200


# --- What was made from it -------------------------------------------------------------------------------------------


def test_what_was_made_from_it_is_named(show: Show, judged: ExampleIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    made = MadeFrom(kind="training file", name="<b>shop</b>", examples=1)
    monkeypatch.setattr(lineage_module, "made_from", lambda ids: [made])

    assert "<b>shop</b>" in show(judged.pk).texts


def test_who_cannot_tell_what_was_made_leaves_the_page_whole(
    show: Show, judged: ExampleIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(ids: Any) -> None:
        raise RuntimeError("away")

    monkeypatch.setattr(lineage_module, "made_from", fail)

    page = show(judged.pk)

    assert page.texts_with("It cannot be told now")
    assert "zanswer" in page.texts


def test_many_exports_are_looked_into_on_request(show: Show, judged: ExampleIndex) -> None:
    for number in range(4):
        DatasetExport.objects.create(
            path=f"/gone/{number}", format="csv", manifest="m", lineage="l", rows=1, created_at=NOW
        )

    assert show(judged.pk).texts_with("Look into all exports")
    assert "/gone/3" not in show(judged.pk).texts
    assert "/gone/3" in show(judged.pk, lineage="1").texts


# --- What is not there -----------------------------------------------------------------------------------------------


def test_an_unknown_example_is_said_to_be(show: Show) -> None:
    assert show("nobody", status=404).texts_with("drain_captures")


def test_a_forgotten_example_is_said_to_be(show: Show, judged: ExampleIndex) -> None:
    ForgottenExample.objects.create(id=judged.pk, erasure="x")

    page = show(judged.pk, status=404)

    assert page.texts_with("was forgotten")
    assert "zanswer" not in page.texts


def test_a_missing_archive_is_said_beside_what_the_index_knows(show: Show, judged: ExampleIndex, zip_path: Any) -> None:
    archive_training_data()
    zip_path.unlink()

    page = show(judged.pk)

    assert page.texts_with("There is no archive")
    assert "offline-extract" in page.texts
    assert "zcomment" in page.texts


# --- What it costs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("others", [0, 50])
def test_the_number_of_queries_is_bounded(others: int, store: Store, admin_client: Client) -> None:
    gleaner = {"conversation_id": "talk"}
    spool(*(example(metadata={"gleaner": gleaner}) for _ in range(others)))
    row = store(metadata={"gleaner": gleaner, "tags": ["x"] * 50})
    for number in range(others):
        Feedback.objects.create(example=row, score=1, source="shop", created_at=NOW)
        ExampleTag.objects.create(example=row, tag=str(number), tagged_by="x", tagged_at=NOW)
    archive_training_data()

    with CaptureQueriesContext(
        connection,
    ) as queries:
        admin_client.get(page_address(row.pk))

    assert len(queries) <= MOST_QUERIES
