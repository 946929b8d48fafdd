"""How requests must be written, and how whatever is wrong with them is answered."""

from typing import Any

import pytest
from django.urls import resolve

from capture_app.api_tokens import known_scopes
from tests.unit.training_files.api.asking import UNKNOWN, Asking, problem, program
from tests.unit.training_files.filling import many, training_file
from training_files.api.wire import MOST_BYTES
from training_files.models import Conversation, TrainingFile
from training_files.storage import open_files

pytestmark = pytest.mark.django_db


@pytest.fixture
def writer() -> Asking:
    return program("writer", "write")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"null",
        b'"name"',
        b'{"name": NaN}',
        b'{"name": "\\ud800", "conversation_ids": ["c"]}',
        b'{"name": "\xff", "conversation_ids": ["c"]}',
        b"[" * 2_000,
        b'{"name": ' + b"[" * 500 + b"]" * 500 + b"}",
    ],
)
def test_a_body_that_is_no_json_object_is_refused(writer: Asking, body: bytes) -> None:
    status, code = problem(writer.post("", body))

    assert (status, code) in ((400, "invalid"), (400, "parse_error"))


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"name": " \t"}, "name"),
        ({"name": 7}, "name"),
        ({"name": True}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"description": "a\0b"}, "description"),
        ({"description": 7}, "description"),
        ({"description": "x" * 10_001}, "description"),
        ({"conversation_ids": []}, "conversation_ids"),
        ({"conversation_ids": "c"}, "conversation_ids"),
        ({"conversation_ids": {"c": 1}}, "conversation_ids"),
        ({"conversation_ids": ["c", "c"]}, "conversation_ids"),
        ({"conversation_ids": ["c", 7]}, "conversation_ids.1"),
        ({"conversation_ids": ["c\0"]}, "conversation_ids.0"),
        ({"conversation_ids": [["c"]]}, "conversation_ids.0"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_field_that_is_wrong_is_named(writer: Asking, values: dict[str, Any], field: str) -> None:
    response = writer.post("", {"name": "one", "conversation_ids": ["c"], **values})

    assert problem(response) == (400, "invalid")
    assert list(response.json()["details"]["fields"]) == [field]


@pytest.mark.parametrize("missing", ["name", "conversation_ids"])
def test_a_field_that_is_missing_is_named(writer: Asking, missing: str) -> None:
    body = {"name": "one", "conversation_ids": ["c"]}
    del body[missing]

    assert list(writer.post("", body).json()["details"]["fields"]) == [missing]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": "x" * 500_000 + "\n"}, "name"),
        ({"conversation_ids": ["x" * 500_000 + "\0"]}, "conversation_ids.0"),
        ({"conversation_ids": [0] * 400_000}, "conversation_ids"),
    ],
)
def test_what_is_far_too_long_is_refused_before_it_is_looked_at(
    writer: Asking, values: dict[str, Any], field: str
) -> None:
    response = writer.post("", {"name": "one", "conversation_ids": ["c"], **values})

    assert list(response.json()["details"]["fields"]) == [field]
    assert "no more than" in response.json()["error"] or "at most" in response.json()["error"]


def test_no_more_than_a_hundred_fields_are_told(writer: Asking, settings: Any) -> None:
    settings.TRAINING_FILES = {"CONVERSATIONS_PER_REQUEST": 200}

    response = writer.post("", {"name": "one", "conversation_ids": [0] * 150})

    assert len(response.json()["details"]["fields"]) == 100


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_body_that_is_not_said_to_be_json_is_refused(writer: Asking, kind: str) -> None:
    assert problem(writer.post("", b"name=one", content_type=kind)) == (415, "unsupported_media_type")


def test_a_body_that_is_too_large_is_refused(writer: Asking) -> None:
    assert problem(writer.post("", b" " * (MOST_BYTES + 1))) == (413, "too_large")


@pytest.mark.parametrize("method", ["put", "delete", "patch", "options", "trace"])
def test_a_method_that_there_is_not_is_refused_with_those_that_there_are(writer: Asking, method: str) -> None:
    response = writer.ask(method)

    assert problem(response) == (405, "method_not_allowed")
    assert response["Allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    "accept", ["application/json", "*/*", "application/*", "text/html, */*;q=0.8", "application/json; version=1"]
)
def test_who_takes_json_gets_it(writer: Asking, accept: str) -> None:
    response = writer.get("", Accept=accept)

    assert (response.status_code, response["Content-Type"]) == (200, "application/json")


@pytest.mark.parametrize(
    "accept", ["text/html", "application/xml", "application/json;q=0", "application/json; version=2"]
)
def test_who_takes_no_json_or_another_version_is_told_so(writer: Asking, accept: str) -> None:
    assert problem(writer.get("", Accept=accept)) == (406, "not_acceptable")


@pytest.mark.parametrize("path", ["/", "/a/b/c", "/conversations/a%0Ab", "//", f"/{UNKNOWN}/"])
def test_what_is_no_address_is_answered_like_all_else(path: str) -> None:
    for method in ("get", "post", "delete"):
        assert problem(Asking().ask(method, path)) == (404, "not_found")


def test_answers_are_kept_by_nobody(writer: Asking) -> None:
    response = writer.get()

    assert response["Cache-Control"] == "no-store"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Vary"] == "Accept, Authorization, Cookie"


def test_a_storage_that_is_damaged_is_told_and_logged(writer: Asking, caplog: pytest.LogCaptureFixture) -> None:
    many("c", 1)
    open_files().put(str(Conversation.objects.get().enriched_file_path), b"something else")

    response = writer.post("", {"name": "one", "conversation_ids": ["c0"]})

    assert problem(response) == (500, "damaged")
    assert "is not what was written" in caplog.text
    assert not TrainingFile.objects.exists()


def test_a_stored_file_that_is_gone_is_no_fault_that_passes(writer: Asking) -> None:
    many("c", 1)
    open_files().delete(str(Conversation.objects.get().enriched_file_path))

    response = writer.post("", {"name": "one", "conversation_ids": ["c0"]})

    assert problem(response) == (500, "damaged")
    assert "Retry-After" not in response


def test_views_have_no_transaction_of_the_requests(writer: Asking, settings: Any) -> None:
    view: Any = resolve("/api/training-files").func

    assert view._non_atomic_requests == set(settings.DATABASES)  # what Django asks before it begins one


def test_rest_framework_settings_of_a_project_change_nothing(writer: Asking, settings: Any) -> None:
    settings.REST_FRAMEWORK = {
        "DEFAULT_RENDERER_CLASSES": [],
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.BasicAuthentication"],
        "DEFAULT_THROTTLE_RATES": {},
        "EXCEPTION_HANDLER": "tests.nothing",
        "DATETIME_FORMAT": "%d",
        "NON_FIELD_ERRORS_KEY": "whole",
        "UPLOADED_FILES_USE_URL": False,
    }
    made = training_file(many("c", 1))

    found = writer.get(f"/{made.pk}").json()["trainingFile"]

    assert found["created_at"] == made.created_at.isoformat().replace("+00:00", "Z")
    assert problem(writer.get("/nonsense")) == (404, "not_found")


def test_scopes_are_known_to_the_command_that_makes_tokens() -> None:
    assert {"training_files:read", "training_files:write", "training_files:manage"} <= set(known_scopes())
