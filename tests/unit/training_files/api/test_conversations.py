"""Conversations over the API: looked at, imported, reviewed."""

from typing import Any

import pytest

from tests.unit.training_files.api.asking import Asking, problem, program
from tests.unit.training_files.filling import conversation, many, pair, store
from training_files.api import conversation_views
from training_files.conversations.store import load_conversation
from training_files.models import Conversation

pytestmark = pytest.mark.django_db


@pytest.fixture
def writer() -> Asking:
    return program("writer", "write")


def individual(conversation_id: str = "new", **values: Any) -> dict[str, Any]:
    return {"dataset_metadata": {"conversation_id": conversation_id}, "training_pairs": [pair(1)], **values}


def test_a_conversation_is_looked_at(writer: Asking) -> None:
    many("c", 1)

    found = writer.get("/conversations/c0").json()["conversation"]

    assert (found["id"], found["persona_key"], found["quality_score"]) == ("c0", "p", 4)


@pytest.mark.parametrize("conversation_id", ["nobody", "a/b", "%00", "\u00e4", "..%2f..", "x" * 3_000])
def test_a_conversation_that_there_is_not_is_not_found(writer: Asking, conversation_id: str) -> None:
    assert problem(writer.get(f"/conversations/{conversation_id}")) == (404, "not_found")


def test_an_id_with_a_slash_is_an_id(writer: Asking) -> None:
    store(conversation("a/b"))

    assert writer.get("/conversations/a%2Fb").json()["conversation"]["id"] == "a/b"


def test_an_individual_file_is_imported(writer: Asking) -> None:
    response = writer.post("/conversations", individual())

    found = response.json()["conversation"]
    assert (response.status_code, response["Location"]) == (201, "/api/training-files/conversations/new")
    assert (found["id"], found["source"], found["added_by"]) == ("new", "imported", "token:writer")
    assert found["enrichment_status"] == "completed"


def test_the_name_of_a_file_gives_the_id_that_it_lacks(writer: Asking) -> None:
    conversation_id = "f601a0f8-da1c-4881-97e1-134a5f022cc6"
    body = individual()
    del body["dataset_metadata"]["conversation_id"]

    response = writer.post(f"/conversations?source_file=fp_conversation_{conversation_id}.json", body)

    assert response.json()["conversation"]["id"] == conversation_id


def test_the_same_file_again_changes_nothing(writer: Asking) -> None:
    first = writer.post("/conversations", individual())
    second = writer.post("/conversations", individual())

    assert (second.status_code, second.json()) == (200, first.json())


def test_another_file_of_the_same_id_takes_its_place(writer: Asking) -> None:
    writer.post("/conversations", individual())

    response = writer.post("/conversations", individual(training_pairs=[pair(1), pair(2)]))

    assert (response.status_code, response.json()["conversation"]["turns"]) == (200, 2)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "$"),
        ({"dataset_metadata": {}}, "$"),
        ({"dataset_metadata": {}, "training_pairs": [{}]}, "$.training_pairs[0]"),
        (b"", "$"),
        (b"nonsense", "$"),
        ({"training_file_metadata": {}, "consultant_profile": {}, "conversations": []}, "$"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_the_path_of_each_fault(writer: Asking, body: Any, path: str) -> None:
    response = writer.post("/conversations", body)

    assert problem(response) == (400, "invalid_conversation")
    assert all(fault.startswith(path) for fault in response.json()["details"]["fields"]["conversation"])
    assert not Conversation.objects.exists()


def test_a_file_that_is_too_large_is_refused(writer: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation_views.ConversationsView, "most_bytes", 100)

    assert problem(writer.post("/conversations", individual())) == (413, "too_large")


def test_an_import_that_is_sent_again_with_its_key_is_done_once(writer: Asking) -> None:
    first, second = (writer.post("/conversations", individual(), Idempotency_Key="k") for _ in range(2))

    assert (second.status_code, second.content) == (201, first.content)


def test_a_review_is_written_into_the_conversation(writer: Asking) -> None:
    store(conversation("c0", pairs=2))

    response = writer.ask(
        "put", "/conversations/c0/pairs/2/review", {"score": 5, "notes": "Good", "seed_example": True}
    )

    stored = load_conversation(Conversation.objects.get()).pairs[1]["training_metadata"]
    assert response.json()["conversation"]["reviewed_pairs"] == 1
    assert (stored["quality_score"], stored["reviewer_notes"], stored["use_as_seed_example"]) == (5, "Good", True)
    assert stored["human_reviewed"] is True


@pytest.mark.parametrize("body", [{"score": 6}, {"score": "5"}, {"score": True}, {"notes": 5}, {"seed_example": 1}])
def test_a_review_that_is_none_is_refused(writer: Asking, body: Any) -> None:
    store(conversation("c0"))

    response = writer.ask("put", "/conversations/c0/pairs/1/review", body)

    assert problem(response) == (400, "invalid")
    assert list(response.json()["details"]["fields"]) == list(body)


@pytest.mark.parametrize("path", ["nobody/pairs/1", "c0/pairs/7", "c0/pairs/one"])
def test_a_review_of_what_there_is_not_is_not_found(writer: Asking, path: str) -> None:
    store(conversation("c0"))

    assert problem(writer.ask("put", f"/conversations/{path}/review", {})) == (404, "not_found")
