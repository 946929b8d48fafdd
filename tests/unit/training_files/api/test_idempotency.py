"""A request that is sent again with its key is done once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from capture_app.put_aside import Wanted
from tests.unit.training_files.api.asking import Asking, actor, problem, program
from tests.unit.training_files.filling import many, pair, training_file
from training_files import tasks
from training_files.lineage import erase_conversations
from training_files.models import IdempotencyKey, TrainingFile

pytestmark = pytest.mark.django_db

ONE = {"name": "one", "conversation_ids": ["c0"]}


@pytest.fixture
def writer() -> Asking:
    many("c", 3)
    return program("writer", "write")


def sent(writer: Asking, body: Any = None, path: str = "", key: str = "k", **headers: str) -> Any:
    return writer.post(path, ONE if body is None else body, Idempotency_Key=key, **headers)


def test_a_request_that_is_sent_again_is_done_once_and_answered_the_same(writer: Asking) -> None:
    first, second = sent(writer), sent(writer)

    assert (second.status_code, second.content, second["Location"]) == (201, first.content, first["Location"])
    assert second["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first
    assert TrainingFile.objects.count() == 1


def test_the_same_body_is_the_same_however_it_is_written(writer: Asking) -> None:
    sent(writer)

    assert sent(writer, b'{ "conversation_ids":["c0"],  "name":"one" }').status_code == 201


def test_another_request_with_the_key_is_refused(writer: Asking) -> None:
    sent(writer)

    assert problem(sent(writer, {**ONE, "name": "two"})) == (422, "key_reused")
    assert TrainingFile.objects.count() == 1


def test_the_same_body_to_another_address_is_another_request(writer: Asking) -> None:
    first, second = (training_file(["c0"], name=name, by=actor("writer")).pk for name in "ab")
    body = {"conversation_ids": ["c1"]}

    assert sent(writer, body, f"/{first}/add-conversations").status_code == 200
    assert problem(sent(writer, body, f"/{second}/add-conversations")) == (422, "key_reused")


def test_keys_of_one_do_not_concern_another(writer: Asking) -> None:
    sent(writer)

    assert sent(program("other", "write"), {**ONE, "name": "two"}).status_code == 201


def test_what_failed_may_be_tried_again_with_its_key(writer: Asking) -> None:
    assert problem(sent(writer, {"name": "one", "conversation_ids": ["late"]}))[0] == 400
    many("late", 1)

    assert sent(writer, {"name": "one", "conversation_ids": ["late0"]}).status_code == 201


def test_a_request_that_is_being_answered_is_not_begun_again(writer: Asking) -> None:
    sent(writer)
    IdempotencyKey.objects.update(status=None)

    response = sent(writer)

    assert problem(response) == (409, "in_progress")
    assert response["Retry-After"] == "1"


def test_a_key_whose_process_was_killed_is_taken_over_after_a_while(writer: Asking) -> None:
    sent(writer)
    TrainingFile.objects.all().delete()
    IdempotencyKey.objects.update(status=None, claimed_at=datetime.now(UTC) - timedelta(minutes=11))

    assert sent(writer).status_code == 201
    assert TrainingFile.objects.count() == 1


def test_old_keys_are_swept_each_day(writer: Asking) -> None:
    sent(writer, key="old")
    IdempotencyKey.objects.update(claimed_at=datetime.now(UTC) - timedelta(hours=25))
    sent(writer, {**ONE, "name": "two"}, key="new")

    tasks.sweep()

    assert list(IdempotencyKey.objects.values_list("key", flat=True)) == ["new"]


@pytest.mark.parametrize("key", ["", " ", "x" * 201, "a\tb"])
def test_a_key_that_is_none_is_refused(writer: Asking, key: str) -> None:
    response = sent(writer, key=key)

    assert problem(response) == (400, "invalid")
    assert list(response.json()["details"]["fields"]) == ["Idempotency-Key"]


def test_every_request_that_posts_something_may_have_a_key(writer: Asking) -> None:
    file_id = training_file(["c0"], by=actor("writer")).pk
    requests = [
        ("/add-conversations", {"conversation_ids": ["c1"]}, 200),
        ("/remove-conversations", {"conversation_ids": ["c1"]}, 200),
        ("/versions", {"note": "x"}, 201),
        ("/archive", b"", 200),
        ("/reopen", b"", 200),
        ("/builds", {"conversation_ids": ["c2"]}, 202),
    ]

    for path, body, status in requests:
        answers = [sent(writer, body, f"/{file_id}{path}", key=path) for _ in range(2)]
        assert [each.status_code for each in answers] == [status, status], path
        assert answers[1]["Idempotency-Replayed"] == "true"
        assert answers[1].content == answers[0].content


def test_a_request_without_rights_leaves_no_key(writer: Asking) -> None:
    sent(program("reader", "read"))

    assert not IdempotencyKey.objects.exists()


def test_an_answer_about_a_conversation_goes_when_that_is_forgotten(writer: Asking) -> None:
    for name in ("gone", "here"):
        body = {"dataset_metadata": {"conversation_id": name}, "training_pairs": [pair(1)]}
        assert sent(writer, body, "/conversations", key=name).status_code == 201
    sent(writer, key="other")

    erase_conversations(Wanted(conversations=["gone"]))

    assert set(IdempotencyKey.objects.values_list("key", flat=True)) == {"here", "other"}
