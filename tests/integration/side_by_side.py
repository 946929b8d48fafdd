"""The same use of a bare client and of an instrumented one, against the same answers: everything must be the same."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import openai
import orjson
import pydantic

from capture_app import instrument
from capture_app.conf import capture_settings
from tests.integration.openai_server import Reply, ScriptedServer, Seen

# Says what it sees of a client's answers, one by one.
Use = Callable[[Any], Iterator[Any]]
AsyncUse = Callable[[Any], AsyncIterator[Any]]

_OF_EACH_REQUEST = ("idempotency-key",)


@dataclass(frozen=True)
class Observed:
    """What a caller saw, and what the server saw of the caller."""

    answers: list[Any]
    requests: list[Any]


def client_for(server: ScriptedServer, **options: Any) -> Any:
    return openai.OpenAI(**{"base_url": server.base_url, "api_key": "secret-key", "max_retries": 0, **options})


def async_client_for(server: ScriptedServer, **options: Any) -> Any:
    return openai.AsyncOpenAI(**{"base_url": server.base_url, "api_key": "secret-key", "max_retries": 0, **options})


def assert_same(server: ScriptedServer, use: Use, *replies: Reply, **options: Any) -> Observed:
    """That an instrumented client answers, and asks, as a bare one does; what both did."""
    with client_for(server, **options) as client:
        bare = _observe(server, use, client, replies)
    with client_for(server, **options) as client:
        recorded = _observe(server, use, instrument(client), replies)
    assert recorded.answers == bare.answers
    assert recorded.requests == bare.requests
    return bare


async def assert_same_async(server: ScriptedServer, use: AsyncUse, *replies: Reply, **options: Any) -> Observed:
    async with async_client_for(server, **options) as client:
        bare = await _aobserve(server, use, client, replies)
    async with async_client_for(server, **options) as client:
        recorded = await _aobserve(server, use, instrument(client), replies)
    assert recorded.answers == bare.answers
    assert recorded.requests == bare.requests
    return bare


def _observe(server: ScriptedServer, use: Use, client: Any, replies: Sequence[Reply]) -> Observed:
    server.replies, server.seen = list(replies), []
    answers: list[Any] = []
    try:
        for each in use(client):
            answers.append(shown(each))  # noqa: PERF401  (what came before an error counts)
    except Exception as error:  # whatever it is, both ways must raise it
        answers.append(shown_error(error))
    return Observed(answers, [_shown_request(seen) for seen in server.seen])


async def _aobserve(server: ScriptedServer, use: AsyncUse, client: Any, replies: Sequence[Reply]) -> Observed:
    server.replies, server.seen = list(replies), []
    answers: list[Any] = []
    try:
        async for each in use(client):
            answers.append(shown(each))  # noqa: PERF401  (what came before an error counts)
    except Exception as error:  # whatever it is, both ways must raise it
        answers.append(shown_error(error))
    return Observed(answers, [_shown_request(seen) for seen in server.seen])


def shown(value: Any) -> Any:
    """A value that compares as equal when a caller could not tell the difference."""
    if isinstance(value, pydantic.BaseModel):
        return type(value), value.model_dump(warnings=False), getattr(value, "_request_id", None), _kinds(value)
    if hasattr(value, "http_response"):  # with_raw_response, with_streaming_response
        headers = {name: text for name, text in value.headers.items() if name != "date"}
        return type(value), value.status_code, headers, value.request_id, value.retries_taken
    if isinstance(value, openai.Stream | openai.AsyncStream):
        return type(value), type(value.response), value.response.is_closed
    return type(value), value


def _kinds(value: Any) -> Any:
    """The types all the way down."""
    if isinstance(value, pydantic.BaseModel):
        return type(value), [(name, _kinds(item)) for name, item in value]
    if isinstance(value, list):
        return [_kinds(item) for item in value]
    return type(value)


def shown_error(error: BaseException | None) -> Any:
    if error is None:
        return None
    names = ("status_code", "body", "code", "param", "type", "request_id", "message")
    told = {name: shown(getattr(error, name)) for name in names if hasattr(error, name)}
    return type(error), str(error), told, type(error.__cause__), [type(each) for each in _chain(error)]


def _chain(error: BaseException) -> Iterator[BaseException]:
    context = error.__context__
    while context is not None:
        yield context
        context = context.__context__


def _shown_request(seen: Seen) -> Any:
    headers = [(name, value) for name, value in seen.headers if name.lower() not in _OF_EACH_REQUEST]
    return seen.method, seen.path, headers, seen.body


# --- What was recorded -------------------------------------------------------------------------------------------


def records() -> list[dict[str, Any]]:
    """The records in the spool, oldest first."""
    spool = capture_settings().data_dir / "spool"
    found = [orjson.loads(line) for path in spool.glob("*.jsonl") for line in path.read_bytes().splitlines() if line]
    return sorted(found, key=lambda record: str(record["id"]))


def only_record() -> dict[str, Any]:
    [record] = records()
    return record


def facts() -> dict[str, Any]:
    """What the only record holds under the reserved key."""
    found: dict[str, Any] = only_record()["metadata"]["gleaner"]
    return found
