"""Training files over the API: as in the seed, and what the seed lacks."""

from typing import Any

import pytest

from tests.unit.training_files.api.asking import UNKNOWN, Asking, actor, problem, program
from tests.unit.training_files.filling import conversation as made_conversation
from tests.unit.training_files.filling import many, store, training_file
from training_files.models import Conversation, TrainingFile

pytestmark = pytest.mark.django_db


@pytest.fixture
def writer() -> Asking:
    return program("writer", "write")


@pytest.fixture
def file_id() -> str:
    """Of c0 and c1; there is a c2, too."""
    return str(training_file(many("c", 3)[:2], by=actor("writer")).pk)


def ids_in(asking: Asking, file_id: str, query: str = "") -> list[str]:
    found = asking.get(f"/{file_id}/conversations{query}").json()["conversations"]
    return [each["conversation_id"] for each in found]


def test_a_training_file_is_made_as_in_the_seed(writer: Asking) -> None:
    ids = many("c", 3)

    response = writer.post("", {"name": "test_training_file_001", "description": "For tests", "conversation_ids": ids})

    made = response.json()["trainingFile"]
    assert response.status_code == 201
    assert response["Location"] == f"/api/training-files/{made['id']}"
    assert (made["name"], made["description"], made["status"]) == ("test_training_file_001", "For tests", "active")
    assert (made["conversation_count"], made["total_training_pairs"], made["avg_quality_score"]) == (3, 3, 4)
    assert made["scaffolding_distribution"] == {
        "personas": {"p": 3},
        "emotional_arcs": {"a": 3},
        "training_topics": {"t": 3},
    }


def test_what_was_made_is_found_at_its_location(writer: Asking) -> None:
    made = writer.post("", {"name": "one", "conversation_ids": many("c", 1)})

    found = writer.client.get(made["Location"], headers={"Authorization": f"Bearer {writer.token}"})

    assert found.json() == made.json()


def test_conversations_are_added_as_in_the_seed(writer: Asking, file_id: str) -> None:
    response = writer.post(f"/{file_id}/add-conversations", {"conversation_ids": ["c2"]})

    assert response.status_code == 200
    assert response.json()["trainingFile"]["conversation_count"] == 3
    assert ids_in(writer, file_id) == ["c0", "c1", "c2"]


def test_duplicates_are_refused_by_name(writer: Asking, file_id: str) -> None:
    response = writer.post(f"/{file_id}/add-conversations", {"conversation_ids": ["c2", "c1"]})

    assert problem(response) == (400, "invalid")
    assert response.json()["details"]["conversation_ids"] == ["c1"]
    assert ids_in(writer, file_id) == ["c0", "c1"]


def test_unknown_conversations_are_refused_by_name(writer: Asking) -> None:
    response = writer.post("", {"name": "one", "conversation_ids": [*many("c", 1), "nobody"]})

    assert problem(response) == (400, "invalid")
    assert response.json()["details"] == {
        "code": "invalid",
        "fields": {"conversation_ids": ["There are no such conversations: nobody. Nothing was changed."]},
        "conversation_ids": ["nobody"],
    }
    assert not TrainingFile.objects.exists()


def test_conversations_that_are_not_enriched_are_refused_by_name(writer: Asking) -> None:
    store(made_conversation("raw"), status=Conversation.Enrichment.PENDING)

    response = writer.post("", {"name": "one", "conversation_ids": ["raw"]})

    assert problem(response) == (400, "invalid")
    assert response.json()["details"]["conversation_ids"] == ["raw"]


def test_a_request_names_no_more_conversations_than_the_setting_allows(writer: Asking, settings: Any) -> None:
    settings.TRAINING_FILES = {"CONVERSATIONS_PER_REQUEST": 2}

    response = writer.post("", {"name": "one", "conversation_ids": many("c", 3)})

    assert problem(response) == (400, "invalid")
    assert list(response.json()["details"]["fields"]) == ["conversation_ids"]


def test_a_name_that_is_taken_is_a_conflict(writer: Asking, file_id: str) -> None:
    response = writer.post("", {"name": "a file", "conversation_ids": ["c2"]})

    assert problem(response) == (409, "name_taken")


def test_conversations_are_removed(writer: Asking, file_id: str) -> None:
    response = writer.post(f"/{file_id}/remove-conversations", {"conversation_ids": ["c0"]})

    assert response.json()["trainingFile"]["conversation_count"] == 1
    assert ids_in(writer, file_id) == ["c1"]


def test_name_and_description_are_changed_alone_or_together(writer: Asking, file_id: str) -> None:
    writer.ask("patch", f"/{file_id}", {"name": "new"})
    writer.ask("patch", f"/{file_id}", {"description": "about"})

    found = writer.get(f"/{file_id}").json()["trainingFile"]

    assert (found["name"], found["description"]) == ("new", "about")


def test_a_change_of_nothing_is_refused(writer: Asking, file_id: str) -> None:
    assert problem(writer.ask("patch", f"/{file_id}", {})) == (400, "invalid")


def test_a_deleted_training_file_is_not_found_any_more(writer: Asking, file_id: str) -> None:
    response = writer.ask("delete", f"/{file_id}")

    assert (response.status_code, response.content) == (204, b"")
    assert problem(writer.get(f"/{file_id}")) == (404, "not_found")


def test_an_archived_training_file_takes_no_changes_until_it_is_opened_again(writer: Asking, file_id: str) -> None:
    assert writer.post(f"/{file_id}/archive").json()["trainingFile"]["status"] == "archived"

    refused = writer.post(f"/{file_id}/add-conversations", {"conversation_ids": ["c2"]})
    reopened = writer.post(f"/{file_id}/reopen")

    assert problem(refused) == (409, "file_closed")
    assert reopened.json()["trainingFile"]["status"] == "active"


def test_a_version_is_left_as_it_is(writer: Asking, file_id: str) -> None:
    made = writer.post(f"/{file_id}/versions", {"note": "before the reviews"})
    writer.post(f"/{file_id}/add-conversations", {"conversation_ids": ["c2"]})

    assert (made.status_code, made.json()["version"]["number"]) == (201, 2)
    assert made["Location"] == f"/api/training-files/{file_id}/versions/2"
    assert ids_in(writer, file_id, "?version=1") == ["c0", "c1"]
    assert writer.get(f"/{file_id}/versions/1").json()["version"]["conversation_count"] == 2


def test_versions_are_listed_the_newest_first(writer: Asking, file_id: str) -> None:
    writer.post(f"/{file_id}/versions", {})

    found = writer.get(f"/{file_id}/versions").json()["versions"]

    assert [(each["number"], each["is_current"]) for each in found] == [(2, True), (1, False)]


def test_versions_are_compared(writer: Asking, file_id: str) -> None:
    writer.post(f"/{file_id}/versions", {})
    writer.post(f"/{file_id}/add-conversations", {"conversation_ids": ["c2"]})
    writer.post(f"/{file_id}/remove-conversations", {"conversation_ids": ["c0"]})

    found = writer.get(f"/{file_id}/diff?old=1&new=2").json()

    assert found == {"old": 1, "new": 2, "added": ["c2"], "removed": ["c0"], "changed": []}


def test_conversations_that_would_even_it_out_are_suggested(writer: Asking, file_id: str) -> None:
    store(made_conversation("rare", cell=("q", "b", "u")))

    found = writer.get(f"/{file_id}/suggestions?limit=1").json()["suggestions"]

    assert [(each["conversation_id"], each["cell"]) for each in found] == [("rare", ["q", "b", "u"])]


@pytest.mark.parametrize("file_id", [UNKNOWN, "nonsense", "{" + UNKNOWN + "}", "%00", "..", "\u00e4"])
def test_what_is_no_training_file_is_not_found(writer: Asking, file_id: str) -> None:
    some = ("versions/1", "diff?old=1&new=1", "download?format=json", "builds/1")
    for path in ("", *(f"/{each}" for each in ("conversations", "versions", "suggestions", "builds", *some))):
        assert problem(writer.get(f"/{file_id}{path}")) == (404, "not_found"), path


@pytest.mark.parametrize("number", ["0", "7", "-1", "one", "1.0", "99999999999999999999", "\u0661"])
def test_what_is_no_version_or_build_is_not_found(writer: Asking, file_id: str, number: str) -> None:
    for kind in ("versions", "builds"):
        assert problem(writer.get(f"/{file_id}/{kind}/{number}")) == (404, "not_found")
