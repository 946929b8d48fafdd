"""POST /api/feedback, as programs send it."""

import json
from typing import Any

import pytest
from django.test import Client

from capture_app.api_tokens import create_token, register_scope, revoke_token
from capture_app.feedback_api import MOST_BYTES
from capture_app.models import ApiToken, Feedback, ForgottenExample

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.unit.capture_app.urls")]


@pytest.fixture
def token() -> str:
    return create_token("shop", scopes=["feedback"]).token


def send(body: Any, token: str = "", **headers: str) -> Any:
    """What is answered. `body` is sent as JSON, bytes as they are."""
    if token:
        headers = {"Authorization": f"Bearer {token}", **headers}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = headers.pop("Content-Type", "application/json")
    return Client(enforce_csrf_checks=True).post("/api/feedback", content, content_type=kind, headers=headers)


def test_feedback_is_stored_under_the_name_of_its_token(token: str) -> None:
    answer = send({"example_id": "e-1", "score": 0, "label": "bad", "comment": "No.", "correction": "12 EUR"}, token)

    kept = Feedback.objects.get()
    assert answer.status_code == 201
    assert answer.json() == {
        "id": kept.pk,
        "example_id": "e-1",
        "created_at": kept.created_at.isoformat(),
        "is_new": True,
    }
    assert (kept.source, kept.score, kept.label, kept.comment) == ("shop", 0.0, "bad", "No.")
    assert kept.correction == "12 EUR"


def test_null_counts_as_not_said(token: str) -> None:
    assert send({"example_id": "e-1", "score": 1, "label": None, "comment": None}, token).status_code == 201


def test_what_is_sent_again_under_the_same_key_counts_once(token: str) -> None:
    first, again = (send({"example_id": "e-1", "score": 1}, token, **{"Idempotency-Key": "k"}) for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == {**first.json(), "is_new": False}
    assert Feedback.objects.count() == 1


def test_two_tokens_may_use_the_same_key(token: str) -> None:
    other = create_token("blog", scopes=["feedback"]).token

    for each in (token, other):
        assert send({"example_id": "e-1", "score": 1}, each, **{"Idempotency-Key": "k"}).status_code == 201


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"score": 1}, "example_id"),
        ({"example_id": None, "score": 1}, "example_id"),
        ({"example_id": 7, "score": 1}, "example_id"),
        ({"example_id": "a\0", "score": 1}, "example_id"),
        ({"example_id": "e-1"}, "feedback"),
        ({"example_id": "e-1", "score": "1"}, "score"),
        ({"example_id": "e-1", "score": True}, "score"),
        ({"example_id": "e-1", "comment": ["x"]}, "comment"),
        ({"example_id": "e-1", "label": "x" * 201}, "label"),
        ({"example_id": "e-1", "score": 1, "source": "boss"}, "source"),
        ({"example_id": "e-1", "score": 1, "idempotency_key": "k"}, "idempotency_key"),
    ],
)
def test_a_field_that_is_wrong_is_named(token: str, body: Any, field: str) -> None:
    answer = send(body, token)

    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert "Nothing was stored" in answer.json()["error"]
    assert not Feedback.objects.exists()


@pytest.mark.parametrize("key", ["", "x" * 201, "a\x01b"])
def test_a_key_that_is_wrong_is_named(token: str, key: str) -> None:
    answer = send({"example_id": "e-1", "score": 1}, token, **{"Idempotency-Key": key})

    assert (answer.status_code, answer.json()["field"]) == (400, "Idempotency-Key")


@pytest.mark.parametrize(
    "body",
    [
        b'{"example_id": "e-1", "score": 1e999}',
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"\xff",
        b'{"example_id": NaN}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_json_object_is_refused(token: str, body: bytes) -> None:
    answer = send(body, token)

    assert answer.status_code == 400
    assert "no JSON" in answer.json()["error"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_another_kind_of_content_is_refused(token: str, kind: str) -> None:
    assert send(b"example_id=e-1&score=1", token, **{"Content-Type": kind}).status_code == 415


def test_a_body_that_is_too_large_is_refused(token: str) -> None:
    body = json.dumps({"example_id": "e-1", "correction": ""}).encode()
    largest = body.replace(b'""', b'"' + b"x" * 900_000 + b'"')

    assert send(largest, token).status_code == 201
    assert send(body + b" " * (MOST_BYTES - len(body)), token).status_code == 400
    assert send(body + b" " * (MOST_BYTES - len(body) + 1), token).status_code == 413


def test_a_body_that_django_itself_finds_too_large_is_no_other_answer(token: str, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10

    assert send({"example_id": "e-1", "score": 1}, token).status_code == 201


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic gln_abc", "Bearer gln_unknown", "Bearer abc", "Bearer gln_é", "gln_x"]
)
def test_who_is_not_known_is_asked_who_he_is(header: str) -> None:
    answer = send({"example_id": "e-1", "score": 1}, Authorization=header)

    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert not Feedback.objects.exists()


def test_the_scheme_is_written_in_any_case(token: str) -> None:
    assert send({"example_id": "e-1", "score": 1}, Authorization=f"bearer  {token}").status_code == 201


def test_a_token_without_the_scope_is_refused() -> None:
    register_scope("read", "read")
    reader = create_token("reader", scopes=["read"]).token

    answer = send({"example_id": "e-1", "score": 1}, reader)

    assert answer.status_code == 403
    assert "lacks the scope" in answer.json()["error"]


def test_a_token_that_was_revoked_is_refused(token: str) -> None:
    revoke_token("shop")

    answer = send({"example_id": "e-1", "score": 1}, token)

    assert answer.status_code == 403
    assert "revoked" in answer.json()["error"]


def test_a_token_that_has_expired_is_refused(token: str) -> None:
    ApiToken.objects.update(expires_at="2020-01-01T00:00Z")

    answer = send({"example_id": "e-1", "score": 1}, token)

    assert answer.status_code == 403
    assert "expired" in answer.json()["error"]


def test_of_what_was_forgotten_nothing_is_taken(token: str) -> None:
    ForgottenExample.objects.create(pk="e-1", erasure="x")

    assert send({"example_id": "e-1", "score": 1}, token).status_code == 410
    assert not Feedback.objects.exists()


@pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete", "options"])
def test_it_is_only_posted_to(token: str, method: str) -> None:
    answer = getattr(Client(), method)("/api/feedback", headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 405


def test_no_session_lets_anybody_in(admin_client: Client) -> None:
    answer = admin_client.post("/api/feedback", {"example_id": "e-1", "score": 1}, content_type="application/json")

    assert answer.status_code == 401


def test_no_cookie_is_set_and_nothing_is_cached(token: str) -> None:
    answer = send({"example_id": "e-1", "score": 1}, token)

    assert not answer.cookies
    assert "no-store" in answer["Cache-Control"]
