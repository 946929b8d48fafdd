"""Chat completions of no shape the SDK knows reach the caller as they are."""

import gc
from collections.abc import Callable
from typing import Any

import pytest

from capture_app import instrument
from tests.integration.instrument.uses import (
    ASK,
    aread,
    create,
    create_raw,
    create_streaming_response,
    read,
    read_events,
)
from tests.integration.openai_answers import TEXT_CHUNKS, chunk, delta, text_chat
from tests.integration.openai_server import ScriptedServer, error, json_reply, sse_bytes, sse_reply
from tests.integration.side_by_side import Use, assert_same, assert_same_async, client_for

USUAL: dict[str, Any] = text_chat().model_dump(mode="json")
CHOICE: dict[str, Any] = USUAL["choices"][0]
MESSAGE: dict[str, Any] = CHOICE["message"]


def with_message(**fields: Any) -> dict[str, Any]:
    return {**USUAL, "choices": [{**CHOICE, "message": {**MESSAGE, **fields}}]}


HOSTILE: dict[str, Any] = {
    "null": None,
    "a list": [],
    "a text": "12 EUR",
    "a number": 7,
    "nothing": {},
    "an error": error("Sorry.", "some_error"),
    "no choices": {**USUAL, "choices": None},
    "choices that are a text": {**USUAL, "choices": "12 EUR"},
    "choices that are a mapping": {**USUAL, "choices": {"0": CHOICE}},
    "a choice that is null": {**USUAL, "choices": [None]},
    "a choice that is a text": {**USUAL, "choices": ["12 EUR"]},
    "no message": {**USUAL, "choices": [{"index": 0}]},
    "a message that is null": {**USUAL, "choices": [{**CHOICE, "message": None}]},
    "a message that is a text": {**USUAL, "choices": [{**CHOICE, "message": "12 EUR"}]},
    "content that is a number": with_message(content=12),
    "content in parts": with_message(content=[{"type": "text", "text": "12 EUR"}]),
    "content that is a mapping": with_message(content={"text": "12 EUR"}),
    "tool calls that are a mapping": with_message(tool_calls={"id": "c1"}),
    "tool calls that are texts": with_message(tool_calls=["price"]),
    "a tool call without a function": with_message(tool_calls=[{"id": "c1", "type": "function"}]),
    "a tool call of an unknown type": with_message(tool_calls=[{"id": "c1", "type": "odd", "odd": {}}]),
    "arguments that are a mapping": with_message(
        tool_calls=[{"id": "c1", "type": "function", "function": {"name": "price", "arguments": {"sku": 1}}}]
    ),
    "a model that is a list": {**USUAL, "model": ["small-1"]},
    "a model that is a mapping": {**USUAL, "model": {"name": "small-1"}},
    "an id that is a number": {**USUAL, "id": 7},
    "usage in texts": {**USUAL, "usage": {"prompt_tokens": "9", "completion_tokens": "3", "total_tokens": "12"}},
    "usage in fractions": {**USUAL, "usage": {"prompt_tokens": 9.5, "completion_tokens": -3, "total_tokens": 6.5}},
    "usage that is a list": {**USUAL, "usage": [9, 3]},
    "usage that is a text": {**USUAL, "usage": "12"},
    "usage beyond any number": {**USUAL, "usage": {"prompt_tokens": 10**30, "completion_tokens": 1, "total_tokens": 1}},
    "details that are a text": {**USUAL, "usage": {**USUAL["usage"], "prompt_tokens_details": "900"}},
    "a reason that is a mapping": {**USUAL, "choices": [{**CHOICE, "finish_reason": {"why": "stop"}}]},
    "keys named as the SDK's attributes": {**USUAL, "_iterator": 1, "http_response": 1, "_request_id": 7, "parse": 1},
    "a lone surrogate": with_message(content="\ud83d"),
    "a NUL": with_message(content="12\0EUR"),
}
PRICES = {"small-1": {"input": 0.15, "output": 0.6}, "small-1-2026-03-01": {"input": 0.15, "output": 0.6}}


@pytest.mark.parametrize("use", [create, create_raw, create_streaming_response])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_reaches_the_caller_as_it_is(
    server: ScriptedServer, use: Use, name: str, capture: Callable[..., None]
) -> None:
    capture(PRICES=PRICES)

    assert_same(server, use, json_reply(HOSTILE[name]))


CHUNK: dict[str, Any] = TEXT_CHUNKS[1].model_dump(mode="json", exclude_unset=True)
END: dict[str, Any] = chunk(delta("stop")).model_dump(mode="json", exclude_unset=True)


def with_delta(**fields: Any) -> dict[str, Any]:
    return {**CHUNK, "choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


def with_call(**fields: Any) -> dict[str, Any]:
    return with_delta(tool_calls=[{"index": 0, "id": "c1", "type": "function", **fields}])


HOSTILE_CHUNKS: dict[str, list[Any]] = {
    "null": [None],
    "a list": [[]],
    "a text": ["12 EUR"],
    "nothing": [{}],
    "no choices": [{**CHUNK, "choices": None}],
    "choices that are a mapping": [{**CHUNK, "choices": {"0": 1}}],
    "a choice that is null": [{**CHUNK, "choices": [None]}],
    "no delta": [{**CHUNK, "choices": [{"index": 0}]}],
    "a delta that is null": [{**CHUNK, "choices": [{"index": 0, "delta": None, "finish_reason": None}]}],
    "an index that is a text": [{**CHUNK, "choices": [{"index": "0", "delta": {"content": "12"}}]}],
    "content that is a number": [with_delta(content=12)],
    "content in parts": [with_delta(content=[{"type": "text", "text": "12"}])],
    "content that is a mapping": [with_delta(content={"text": "12"})],
    "tool calls that are a mapping": [with_delta(tool_calls={"id": "c1"})],
    "tool calls that are texts": [with_delta(tool_calls=["price"])],
    "a call with an index of another type": [
        with_call(index=0, function={"name": "price", "arguments": "{}"}),
        with_call(index="1", function={"name": "stock", "arguments": "{}"}),
    ],
    "a call with a list for an index": [with_call(index=[0], function={"name": "price", "arguments": "{}"})],
    "arguments that are a mapping": [with_call(function={"name": "price", "arguments": {"sku": 1}})],
    "a function that is a text": [with_call(function="price")],
    "a model that is a list": [with_delta(content="12"), {**CHUNK, "model": ["small-1"]}],
    "usage in texts": [
        with_delta(content="12"),
        {**CHUNK, "choices": [], "usage": {"prompt_tokens": "9", "completion_tokens": "3", "total_tokens": "12"}},
    ],
    "usage that is a list": [with_delta(content="12"), {**CHUNK, "choices": [], "usage": [9, 3]}],
    "a reason that is a mapping": [{**END, "choices": [{"index": 0, "delta": {}, "finish_reason": {"why": "stop"}}]}],
    "a lone surrogate": [with_delta(content="\ud83d")],
}


@pytest.mark.parametrize("use", [read, read_events])
@pytest.mark.parametrize("name", HOSTILE_CHUNKS)
def test_a_hostile_chunk_reaches_the_caller_as_it_is(
    server: ScriptedServer, use: Use, name: str, capture: Callable[..., None]
) -> None:
    capture(PRICES=PRICES)

    assert_same(server, use, sse_reply(sse_bytes([*HOSTILE_CHUNKS[name], END])))


@pytest.mark.parametrize("name", HOSTILE_CHUNKS)
async def test_a_hostile_chunk_reaches_who_awaits_it(
    server: ScriptedServer, name: str, capture: Callable[..., None]
) -> None:
    capture(PRICES=PRICES)

    await assert_same_async(server, aread, sse_reply(sse_bytes([*HOSTILE_CHUNKS[name], END])))


@pytest.mark.usefixtures("young_garbage")
@pytest.mark.parametrize("name", HOSTILE_CHUNKS)
def test_a_hostile_chunk_in_a_dropped_stream_troubles_nobody(
    server: ScriptedServer, name: str, capture: Callable[..., None]
) -> None:
    capture(PRICES=PRICES)
    server.replies = [sse_reply(sse_bytes([*HOSTILE_CHUNKS[name], END]))]
    with client_for(server) as client:
        chunks = instrument(client).chat.completions.create(**ASK, stream=True)
        next(chunks)
        chunks.close()  # and what a __del__ raises is a warning, which fails the test
        del chunks
        gc.collect()
