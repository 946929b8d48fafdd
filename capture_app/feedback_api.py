"""`POST /api/feedback`: what the request says becomes `record_feedback`, and what is wrong with it an answer."""

from dataclasses import dataclass
from typing import Any, Final

import orjson
from django.http import HttpRequest, UnreadablePostError

from capture_app.api_tokens import FEEDBACK, authenticate
from capture_app.exceptions import CaptureError, ExampleForgotten, InvalidJudgment, NotAllowed, NotAuthenticated
from capture_app.feedback import RecordedFeedback, record_feedback
from capture_app.judged_values import checked_name

MOST_BYTES: Final = 2**20

_FIELDS: Final = ("example_id", "score", "label", "comment", "correction")
_KEY_HEADER: Final = "Idempotency-Key"


@dataclass(frozen=True, slots=True)
class Reply:
    """What the view answers."""

    status: int
    body: dict[str, Any]


class _BadRequest(CaptureError):
    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status


def answer_feedback(request: HttpRequest) -> Reply:
    """Store the feedback in the request, or say why not."""
    try:
        token = authenticate(request, FEEDBACK)
        feedback = record_feedback(source=token.name, idempotency_key=_key(request), **_values(request))
    except NotAuthenticated as error:
        return _refused(401, error)
    except NotAllowed as error:
        return _refused(403, error)
    except ExampleForgotten as error:
        return _refused(410, error)
    except InvalidJudgment as error:
        return _refused(400, error, field=error.field)
    except _BadRequest as error:
        return _refused(error.status, error)
    return _stored(feedback)


def _stored(feedback: RecordedFeedback) -> Reply:
    body = {
        "id": feedback.id,
        "example_id": feedback.example_id,
        "created_at": feedback.created_at.isoformat(),
        "is_new": feedback.is_new,
    }
    return Reply(201 if feedback.is_new else 200, body)


def _refused(status: int, error: CaptureError, **facts: str) -> Reply:
    return Reply(status, {"error": str(error), **facts})


def _key(request: HttpRequest) -> str | None:
    key = request.headers.get(_KEY_HEADER)
    return None if key is None else checked_name(_KEY_HEADER, key)


def _values(request: HttpRequest) -> dict[str, Any]:
    """The fields that are there, None taken as not there. What is in them is not checked yet."""
    if request.content_type != "application/json":
        raise _BadRequest(415, "Send JSON, and say so: `Content-Type: application/json`. Nothing was stored.")
    try:
        found = orjson.loads(_body(request))
    except orjson.JSONDecodeError as error:
        raise _BadRequest(400, "The body is no JSON. Nothing was stored.") from error
    if not isinstance(found, dict):
        raise _BadRequest(400, "The body is no JSON object. Nothing was stored.")
    unknown = sorted(set(found) - set(_FIELDS))
    if unknown:
        raise InvalidJudgment(unknown[0][:100], f"is no field of feedback; there are {', '.join(_FIELDS)}")
    if found.get("example_id") is None:
        raise InvalidJudgment("example_id", "is missing")
    return {name: value for name, value in found.items() if value is not None}


def _body(request: HttpRequest) -> bytes:
    """Read no more than is allowed, whatever the request says of its length."""
    try:
        body = request.read(MOST_BYTES + 1)
    except UnreadablePostError as error:
        raise _BadRequest(400, "The request broke off. Nothing was stored; send it again.") from error
    if len(body) > MOST_BYTES:
        raise _BadRequest(413, f"The body has more than {MOST_BYTES:,} bytes. Nothing was stored.")
    return body
