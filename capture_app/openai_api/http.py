"""What HTTP tells of an answer."""

from typing import Any, TypedDict


class HTTPFacts(TypedDict):
    """Fields of Completion and StreamDelta of the same names."""

    request_id: str | None
    retries: int | None


def http_facts(response: Any) -> HTTPFacts:
    """Of the HTTP client's response behind an answer."""
    return {"request_id": response.headers.get("x-request-id"), "retries": retries_before(response.request)}


def retries_before(request: Any) -> int | None:
    """How many attempts came before this request: the SDK numbers them in a header."""
    attempt = request.headers.get("x-stainless-retry-count")
    return int(attempt) if attempt and attempt.isdecimal() else None
