"""Facts that both APIs tell of an answer, under the names of the fields of Completion and StreamDelta."""

from typing import Any, TypedDict


class Usage(TypedDict, total=False):
    """Tokens; None: the provider does not say."""

    input_tokens: int | None
    output_tokens: int | None
    cached_input_tokens: int | None
    reasoning_tokens: int | None


class HTTPFacts(TypedDict, total=False):
    """What HTTP tells."""

    request_id: str | None
    retries: int | None


def http_facts(response: Any) -> HTTPFacts:
    """Of the HTTP client's response behind an answer."""
    return {"request_id": response.headers.get("x-request-id"), "retries": retries_before(response.request)}


def retries_before(request: Any) -> int | None:
    """How many attempts came before this request: the SDK numbers them in a header."""
    attempt = request.headers.get("x-stainless-retry-count")
    return int(attempt) if attempt and attempt.isdecimal() else None
