"""Long additions over the API."""

from typing import Any

import pytest

from tests.unit.training_files.api.asking import UNKNOWN, Asking, actor, problem, program
from tests.unit.training_files.filling import conversation, many, store, training_file
from training_files.builds import run_build

pytestmark = pytest.mark.django_db


@pytest.fixture
def writer() -> Asking:
    return program("writer", "write")


@pytest.fixture
def file_id(settings: Any) -> Any:
    """Of c0; there are more than a request may name."""
    settings.TRAINING_FILES = {"CONVERSATIONS_PER_REQUEST": 2}
    return training_file(many("c", 6)[:1], by=actor("writer")).pk


def test_more_than_a_request_may_name_is_added_by_a_build(writer: Asking, file_id: Any) -> None:
    started = writer.post(f"/{file_id}/builds", {"conversation_ids": ["c1", "c2", "c3"]})

    build = started.json()["build"]
    assert started.status_code == 202
    assert (build["state"], build["total"], build["done"]) == ("queued", 3, 0)
    assert started["Location"] == f"/api/training-files/{file_id}/builds/{build['id']}"
    assert writer.get(f"/{file_id}").json()["trainingFile"]["status"] == "processing"


def test_a_build_is_looked_at_until_it_is_done(writer: Asking, file_id: Any) -> None:
    build = writer.post(f"/{file_id}/builds", {"conversation_ids": ["c1", "c2"]}).json()["build"]
    run_build(build["id"])

    found = writer.get(f"/{file_id}/builds/{build['id']}").json()["build"]

    assert (found["state"], found["done"]) == ("succeeded", 2)
    assert [each["id"] for each in writer.get(f"/{file_id}/builds").json()["builds"]] == [build["id"]]
    assert writer.get(f"/{file_id}").json()["trainingFile"]["conversation_count"] == 3


def test_all_that_match_and_are_not_there_are_added(writer: Asking, file_id: Any) -> None:
    store(conversation("rare", cell=("q", "b", "u")))
    store(conversation("raw", cell=("q", "b", "u")), status="pending")

    rare = writer.post(f"/{file_id}/builds", {"filter": {"persona": "q", "min_quality": 4}}).json()["build"]
    run_build(rare["id"])
    everything = writer.post(f"/{file_id}/builds", {"filter": {}}).json()["build"]

    assert (rare["total"], everything["total"]) == (1, 5)


def test_what_matches_nothing_is_refused(writer: Asking, file_id: Any) -> None:
    assert problem(writer.post(f"/{file_id}/builds", {"filter": {"persona": "nobody"}})) == (400, "invalid")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"conversation_ids": ["c1"], "filter": {}},
        {"conversation_ids": []},
        {"filter": None},
        {"filter": {"colour": "red"}},
        {"filter": {"min_quality": "4"}},
        {"filter": {"created_after": 5}},
        {"filter": {"tier": "a\0b"}},
    ],
)
def test_a_build_of_something_else_is_refused(writer: Asking, file_id: Any, body: Any) -> None:
    assert problem(writer.post(f"/{file_id}/builds", body)) == (400, "invalid")


def test_a_training_file_that_is_being_built_takes_no_other_changes(writer: Asking, file_id: Any) -> None:
    writer.post(f"/{file_id}/builds", {"conversation_ids": ["c1"]})

    assert problem(writer.post(f"/{file_id}/builds", {"conversation_ids": ["c2"]})) == (409, "file_closed")


def test_a_build_of_another_training_file_is_not_found(writer: Asking, file_id: Any) -> None:
    build = writer.post(f"/{file_id}/builds", {"conversation_ids": ["c1"]}).json()["build"]
    other = training_file(["c5"], name="other").pk

    assert problem(writer.get(f"/{other}/builds/{build['id']}")) == (404, "not_found")
    assert problem(writer.get(f"/{UNKNOWN}/builds/{build['id']}")) == (404, "not_found")
