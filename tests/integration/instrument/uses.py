"""Questions, the usual ways to ask them, and the usual answers."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pydantic

from tests.integration.openai_answers import TEXT_CHUNKS
from tests.integration.openai_server import Reply, error, json_reply, sse_bytes, sse_reply
from tests.integration.side_by_side import Use

QUESTION = {"role": "user", "content": "What is the price?"}
ASK: dict[str, Any] = {"model": "small-1", "messages": [QUESTION]}
ASK_RESPONSES: dict[str, Any] = {"model": "small-1", "input": "What is the price?"}
TOOL = {"type": "function", "function": {"name": "price", "parameters": {"type": "object", "properties": {}}}}
PRICES = {"small-1": {"input": 0.15, "cached_input": 0.075, "output": 0.6}}


class Price(pydantic.BaseModel):
    sku: int


def names(uses: list[tuple[Callable[..., Any], Reply]]) -> list[str]:
    return [use.__name__ for use, _ in uses]


# --- Answers -----------------------------------------------------------------------------------------------------

BODY = sse_bytes(TEXT_CHUNKS)
TOO_MANY = json_reply(error("Slow down.", "requests"), status=429, retry_after_ms="1")


def stream(events: list[Any], **options: Any) -> Reply:
    return sse_reply(sse_bytes(events, **options), every=7)


def events_reply(events: list[Any]) -> Reply:
    return sse_reply(sse_bytes(events, named=True, is_done=False), every=7)


# --- Uses of a client --------------------------------------------------------------------------------------------


def create(client: Any) -> Iterator[Any]:
    yield client.chat.completions.create(**ASK)


def create_raw(client: Any) -> Iterator[Any]:
    raw = client.chat.completions.with_raw_response.create(**ASK)
    yield raw.text
    yield raw.parse()


def create_streaming_response(client: Any) -> Iterator[Any]:
    with client.chat.completions.with_streaming_response.create(**ASK) as raw:
        yield raw.parse()


def read(client: Any) -> Iterator[Any]:
    yield from client.chat.completions.create(**ASK, stream=True)


def read_events(client: Any) -> Iterator[Any]:
    with client.chat.completions.stream(**ASK) as events:
        yield from events


def respond(client: Any) -> Iterator[Any]:
    yield client.responses.create(**ASK_RESPONSES)


def respond_streamed(client: Any) -> Iterator[Any]:
    yield from client.responses.create(**ASK_RESPONSES, stream=True)


async def acreate(client: Any) -> AsyncIterator[Any]:
    yield await client.chat.completions.create(**ASK)


async def aread(client: Any) -> AsyncIterator[Any]:
    async for each in await client.chat.completions.create(**ASK, stream=True):
        yield each


async def arespond_streamed(client: Any) -> AsyncIterator[Any]:
    async for event in await client.responses.create(**ASK_RESPONSES, stream=True):
        yield event


USES: list[Use] = [create, create_raw, create_streaming_response, read, read_events, respond, respond_streamed]
