"""What goes wrong at the service, on the way, or in Gleaner itself: a caller sees of it what it would see without."""

import asyncio
import contextvars
import gc
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from capture_app import capture_context, instrument
from capture_app.inbox.spool import SpoolInbox
from capture_app.metrics import capture_failures_total
from tests.integration.openai_answers import (
    MESSAGE_ITEM,
    TEXT_CHUNKS,
    chunk,
    delta,
    response,
    text_chat,
    text_events,
)
from tests.integration.openai_server import (
    Reply,
    ScriptedServer,
    error,
    json_reply,
    scripted_server,
    sse_bytes,
    sse_reply,
)
from tests.integration.side_by_side import (
    Use,
    assert_same,
    assert_same_async,
    async_client_for,
    client_for,
    facts,
    only_record,
    records,
    shown,
)

ASK: dict[str, Any] = {"model": "small-1", "messages": [{"role": "user", "content": "What is the price?"}]}
ASK_RESPONSES: dict[str, Any] = {"model": "small-1", "input": "What is the price?"}


class BrokenInbox(SpoolInbox):
    """Keeps nothing."""

    def append(self, line: bytes, blobs: Any = ()) -> None:
        raise RuntimeError("no room")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as server:
        yield server


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


# --- Errors of the service ---------------------------------------------------------------------------------------

ERRORS = [
    json_reply(error("Not today.", "some_error"), status=status)
    for status in (400, 401, 403, 404, 409, 422, 429, 500, 503)
]
USES: list[Use] = [create, create_raw, create_streaming_response, read, read_events, respond, respond_streamed]


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("reply", ERRORS, ids=[str(reply.status) for reply in ERRORS])
def test_an_error_is_the_sdks_own_and_leaves_no_example(server: ScriptedServer, use: Use, reply: Reply) -> None:
    observed = assert_same(server, use, reply)

    assert issubclass(observed.answers[-1][0], openai.APIStatusError)
    assert records() == []
    assert capture_failures_total() == {}


@pytest.mark.parametrize("use", [acreate, aread, arespond_streamed])
@pytest.mark.parametrize("reply", ERRORS, ids=[str(reply.status) for reply in ERRORS])
async def test_an_awaited_error_is_the_sdks_own_and_leaves_no_example(
    server: ScriptedServer, use: Any, reply: Reply
) -> None:
    await assert_same_async(server, use, reply)

    assert records() == []


TOO_MANY = json_reply(error("Slow down.", "requests"), status=429, retry_after_ms="1")


@pytest.mark.parametrize(
    ("use", "last"),
    [
        (create, json_reply(text_chat())),
        (create_raw, json_reply(text_chat())),
        (create_streaming_response, json_reply(text_chat())),
        (read, sse_reply(sse_bytes(TEXT_CHUNKS))),
        (respond, json_reply(response(MESSAGE_ITEM))),
        (respond_streamed, sse_reply(sse_bytes(text_events("12 ", "EUR"), named=True))),
    ],
)
def test_what_is_asked_again_is_counted(server: ScriptedServer, use: Use, last: Reply) -> None:
    observed = assert_same(server, use, TOO_MANY, json_reply({}, status=500, retry_after_ms="1"), last, max_retries=2)

    assert len(observed.requests) == 3
    assert (facts()["retries"], facts()["request_id"]) == (2, "req-1")


async def test_what_is_awaited_again_is_counted(server: ScriptedServer) -> None:
    await assert_same_async(server, acreate, TOO_MANY, json_reply(text_chat()), max_retries=2)

    assert facts()["retries"] == 1


def test_an_answer_at_once_has_no_retries(server: ScriptedServer) -> None:
    assert_same(server, create, json_reply(text_chat()), max_retries=2)

    assert "retries" not in facts()


def test_retry_after_is_waited_for_and_given_up_on_as_before(server: ScriptedServer) -> None:
    too_many = json_reply(error("Slow down.", "requests"), status=429, retry_after="1")

    observed = assert_same(server, create, too_many, too_many, max_retries=1)

    assert observed.answers[0][0] is openai.RateLimitError
    assert records() == []


def test_calls_at_once_count_their_own_retries(server: ScriptedServer) -> None:
    server.answer_for = lambda seen: (
        TOO_MANY if b"again" in seen.body and seen.header("x-stainless-retry-count") == "0" else json_reply(text_chat())
    )
    with client_for(server, max_retries=2) as client, ThreadPoolExecutor(8) as pool:
        instrument(client)
        asked = [
            pool.submit(
                client.chat.completions.create,
                model="small-1",
                messages=[{"role": "user", "content": f"{'again' if number % 2 else 'once'} {number}"}],
            )
            for number in range(20)
        ]
        for each in asked:
            each.result()

    found = {record["prompt_text"]: record["metadata"]["gleaner"].get("retries") for record in records()}
    assert found == {f"{'again' if n % 2 else 'once'} {n}": 1 if n % 2 else None for n in range(20)}


# --- Trouble on the way ------------------------------------------------------------------------------------------

BODY = sse_bytes(TEXT_CHUNKS)
IN_A_CHARACTER = BODY[: BODY.index("€".encode()) + 1]
IN_A_LINE = BODY[: BODY.rindex(b'"chatcmpl-1"')]
CUT = [
    sse_reply(IN_A_CHARACTER, is_cut=True),
    sse_reply(IN_A_LINE, is_cut=True),
    Reply([BODY], headers={"content-type": "text/event-stream"}, length=len(BODY) + 1, is_cut=True),
    sse_reply(b"", is_cut=True),
]


@pytest.mark.parametrize("use", [read, read_events])
@pytest.mark.parametrize("reply", CUT[:2] + CUT[3:])
def test_a_stream_cut_short_is_the_sdks_own_error(server: ScriptedServer, use: Use, reply: Reply) -> None:
    observed = assert_same(server, use, reply)

    assert observed.answers[-1][0] is openai.APIConnectionError
    assert records() == []


def test_what_is_cut_after_the_end_of_a_stream_is_an_example(server: ScriptedServer) -> None:
    assert_same(server, read, CUT[2])

    assert facts()["finish_reason"] == "stop"
    assert "partial" not in facts()


@pytest.mark.parametrize("reply", CUT)
async def test_an_async_stream_cut_short_ends_as_before(server: ScriptedServer, reply: Reply) -> None:
    await assert_same_async(server, aread, reply)


@pytest.mark.parametrize("use", [create, create_raw, create_streaming_response])
def test_a_body_cut_short_is_the_sdks_own_error(server: ScriptedServer, use: Use) -> None:
    body = text_chat().model_dump_json().encode()
    whole = json_reply(body)

    observed = assert_same(server, use, Reply([body[:-9]], headers=whole.headers, length=len(body), is_cut=True))

    assert issubclass(observed.answers[-1][0], Exception)
    assert records() == []


@pytest.mark.parametrize("use", [create, create_raw, create_streaming_response, respond])
@pytest.mark.parametrize("body", [b"", b"{", b'{"choices": [', b"\xff\xfe", b"<html>"])
def test_a_body_that_is_no_json_is_the_sdks_own_error(server: ScriptedServer, use: Use, body: bytes) -> None:
    assert_same(server, use, json_reply(body))

    assert records() == []


@pytest.mark.parametrize("use", USES)
def test_a_page_in_place_of_an_answer_reaches_the_caller(server: ScriptedServer, use: Use) -> None:
    assert_same(server, use, json_reply(b"<html>Maintenance</html>", content_type="text/html"))

    assert records() == []


@pytest.mark.parametrize("use", [create, create_raw, read, respond])
def test_a_time_out_is_the_sdks_own(server: ScriptedServer, use: Use) -> None:
    never = threading.Event()
    late = Reply([never], headers={"content-type": "application/json"})
    try:
        observed = assert_same(server, use, late, timeout=0.1)
    finally:
        never.set()

    assert observed.answers[-1][0] is openai.APITimeoutError or use is create
    assert records() == []


async def test_a_time_out_in_the_middle_of_a_stream_is_the_sdks_own(server: ScriptedServer) -> None:
    never = threading.Event()
    late = Reply([BODY[:700], never], headers={"content-type": "text/event-stream"})
    try:
        observed = await assert_same_async(server, aread, late, timeout=0.1)
    finally:
        never.set()

    assert observed.answers[-1][0] is openai.APITimeoutError
    assert records() == []


def test_nobody_listening_is_the_sdks_own_error(server: ScriptedServer) -> None:
    client = instrument(openai.OpenAI(base_url="http://127.0.0.1:1/v1", api_key="k", max_retries=0))

    with pytest.raises(openai.APIConnectionError):
        client.chat.completions.create(**ASK)

    assert records() == []


@pytest.mark.parametrize("use", [read, read_events])
@pytest.mark.parametrize("before", [0, 2])
def test_an_error_event_is_the_sdks_own_error(server: ScriptedServer, use: Use, before: int) -> None:
    events = [*TEXT_CHUNKS[:before], error("Overloaded.", "server_error")]

    observed = assert_same(server, use, sse_reply(sse_bytes(events)))

    assert observed.answers[-1][0] is openai.APIError
    assert records() == []


@pytest.mark.parametrize(
    "last",
    [
        {"type": "error", "code": "server_error", "message": "Sorry.", "param": None, "sequence_number": 9},
        {"type": "response.failed", "response": {"id": "resp_1", "status": "failed"}, "sequence_number": 9},
    ],
)
def test_a_streamed_response_that_failed_leaves_no_example(server: ScriptedServer, last: Any) -> None:
    assert_same(server, respond_streamed, sse_reply(sse_bytes([*text_events("12 ")[:5], last], named=True)))

    assert records() == []
    assert capture_failures_total() == {}


# --- Hostile answers ---------------------------------------------------------------------------------------------

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


RESPONSE: dict[str, Any] = response(MESSAGE_ITEM).model_dump(mode="json", exclude_unset=True)
ITEM: dict[str, Any] = RESPONSE["output"][0]
HOSTILE_RESPONSES: dict[str, Any] = {
    "null": None,
    "a list": [],
    "nothing": {},
    "no output": {**RESPONSE, "output": None},
    "output that is a text": {**RESPONSE, "output": "12 EUR"},
    "an item that is null": {**RESPONSE, "output": [None]},
    "an item that is a text": {**RESPONSE, "output": ["12 EUR"]},
    "an item of an unknown type": {**RESPONSE, "output": [{"type": "odd", "text": "12 EUR"}]},
    "an item without a type": {**RESPONSE, "output": [{"content": [{"text": "12 EUR"}]}]},
    "no content": {**RESPONSE, "output": [{**ITEM, "content": None}]},
    "content that is a text": {**RESPONSE, "output": [{**ITEM, "content": "12 EUR"}]},
    "a part that is null": {**RESPONSE, "output": [{**ITEM, "content": [None]}]},
    "a text that is a number": {**RESPONSE, "output": [{**ITEM, "content": [{"type": "output_text", "text": 12}]}]},
    "an unknown status": {**RESPONSE, "status": "odd"},
    "a status that is a list": {**RESPONSE, "status": ["completed"]},
    "usage in texts": {**RESPONSE, "usage": {"input_tokens": "9", "output_tokens": "3"}},
    "usage that is a text": {**RESPONSE, "usage": "12"},
    "an unknown reason": {**RESPONSE, "status": "incomplete", "incomplete_details": {"reason": "steered"}},
    "a reason that is a list": {**RESPONSE, "status": "incomplete", "incomplete_details": {"reason": ["odd"]}},
    "details that are a text": {**RESPONSE, "status": "incomplete", "incomplete_details": "odd"},
    "a model that is a list": {**RESPONSE, "model": ["small-1"]},
}


@pytest.mark.parametrize("name", HOSTILE_RESPONSES)
def test_a_hostile_response_reaches_the_caller_as_it_is(
    server: ScriptedServer, name: str, capture: Callable[..., None]
) -> None:
    capture(PRICES=PRICES)

    assert_same(server, respond, json_reply(HOSTILE_RESPONSES[name]))
    last = {"type": "response.completed", "response": HOSTILE_RESPONSES[name], "sequence_number": 9}
    assert_same(server, respond_streamed, sse_reply(sse_bytes([*text_events("12 ")[:5], last], named=True)))


HOSTILE_EVENTS: list[Any] = [
    None,
    {},
    "odd",
    {"type": None},
    {"type": "response.output_text.delta"},
    {"type": "response.output_text.delta", "delta": 12},
    {"type": "response.output_text.delta", "delta": {"text": "12"}},
    {"type": "response.function_call_arguments.delta", "delta": {"sku": 1}, "output_index": 0},
    {"type": "response.function_call_arguments.delta", "delta": "{}", "output_index": None},
    {"type": "response.function_call_arguments.delta", "delta": "{}", "output_index": "first"},
    {"type": "response.output_item.added", "item": None, "output_index": 0},
    {"type": "response.output_item.added", "item": {"type": "function_call"}, "output_index": 0},
    {"type": "response.created", "response": None},
    {"type": "response.created", "response": {"model": 7, "id": 7}},
]


@pytest.mark.parametrize("event", HOSTILE_EVENTS, ids=[f"{event}"[:60] for event in HOSTILE_EVENTS])
def test_a_hostile_event_reaches_the_caller_as_it_is(server: ScriptedServer, event: Any) -> None:
    events = text_events("12 ", "EUR")

    assert_same(server, respond_streamed, sse_reply(sse_bytes([*events[:5], event, *events[5:]])))


# --- Hostile questions -------------------------------------------------------------------------------------------

HOSTILE_BODIES: list[dict[str, Any]] = [
    {"model": None, "messages": []},
    {"model": 7, "messages": "What is the price?"},
    {"model": "small-1", "messages": [None]},
    {"model": "small-1", "messages": ["What is the price?"]},
    {"model": "small-1", "messages": [{"role": None, "content": None}]},
    {"model": "small-1", "messages": [{"role": "user", "content": 7}]},
    {"model": "small-1", "messages": [{"role": "user", "content": [None, 7, "text", {"type": None}]}]},
    {"model": "small-1", "messages": [{"role": "user", "content": {"type": "text"}}]},
    {"model": "small-1", "messages": [{"role": "user", "content": "x", "tool_calls": "odd"}]},
    {**ASK, "tools": {"odd": 1}},
    {**ASK, "tools": ["odd", None]},
    {**ASK, "response_format": "odd"},
    {**ASK, "temperature": "hot", "seed": [1]},
    {**ASK, "extra_body": {"messages": None}},
    {**ASK, "extra_body": {"messages": 7, "model": None, "tools": 7}},
    {**ASK, "extra_body": {"": None, "a": {"b": [1]}}},
]


@pytest.mark.parametrize("body", HOSTILE_BODIES, ids=[f"{body}"[:90] for body in HOSTILE_BODIES])
def test_a_hostile_question_is_asked_as_it_is(server: ScriptedServer, body: dict[str, Any]) -> None:
    def ask(client: Any) -> Iterator[Any]:
        yield client.chat.completions.create(**body)

    assert_same(server, ask, json_reply(text_chat()))


HOSTILE_INPUTS: list[dict[str, Any]] = [
    {"input": None},
    {"input": 7},
    {"input": [None]},
    {"input": ["odd"]},
    {"input": [{"role": "user", "content": None}]},
    {"input": [{"role": "user", "content": [None, 7, {"type": "input_image", "image_url": 7}]}]},
    {"input": [{"type": "function_call_output", "output": {"odd": 1}}]},
    {"input": [{"type": None}, {"type": 7}, {"type": ["odd"]}]},
    {"input": {"role": "user"}},
    {"input": "x", "instructions": ["odd"]},
    {"input": "x", "tools": "odd"},
    {"input": "x", "tools": [None, "odd"]},
    {"input": "x", "text": "odd"},
    {"input": "x", "text": {"format": "odd"}},
    {},
]


@pytest.mark.parametrize("body", HOSTILE_INPUTS, ids=[f"{body}"[:90] for body in HOSTILE_INPUTS])
def test_a_hostile_input_is_asked_as_it_is(server: ScriptedServer, body: dict[str, Any]) -> None:
    def ask(client: Any) -> Iterator[Any]:
        yield client.responses.create(model="small-1", **body)

    assert_same(server, ask, json_reply(response(MESSAGE_ITEM)))


# --- Trouble in Gleaner ------------------------------------------------------------------------------------------

BROKEN: dict[str, dict[str, Any]] = {
    "an inbox that raises": {"INBOX": f"{__name__}.BrokenInbox"},
    "an inbox that is nowhere": {"INBOX": "no.such.Inbox"},
    "a key that is unknown": {"FSINK": True},
    "a price that is missing": {"PRICES": {"small-1": {"input": 0.15}}},
    "a price that is a text": {"PRICES": {"small-1": {"input": "0.15", "output": "0.6"}}},
    "a price that is no mapping": {"PRICES": {"small-1": 0.15}},
    "prices that are no mapping": {"PRICES": ["small-1"]},
    "a redactor that is nowhere": {"REDACT": "no.such.redactor"},
    "a limit that is a text": {"BLOB_BYTES": "20"},
}
RIGHT: list[tuple[Use, Reply]] = [
    (create, json_reply(text_chat())),
    (create_raw, json_reply(text_chat())),
    (create_streaming_response, json_reply(text_chat())),
    (read, sse_reply(BODY)),
    (read_events, sse_reply(BODY)),
    (respond, json_reply(response(MESSAGE_ITEM))),
    (respond_streamed, sse_reply(sse_bytes(text_events("12 ", "EUR"), named=True))),
]


@pytest.mark.parametrize(("use", "reply"), RIGHT, ids=[use.__name__ for use, _ in RIGHT])
@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_in_the_settings_never_reaches_the_caller(
    server: ScriptedServer, capture: Callable[..., None], name: str, use: Use, reply: Reply
) -> None:
    capture(**BROKEN[name])

    assert_same(server, use, reply)


@pytest.mark.parametrize("name", BROKEN)
async def test_what_is_wrong_in_the_settings_never_reaches_who_awaits(
    server: ScriptedServer, capture: Callable[..., None], name: str
) -> None:
    capture(**BROKEN[name])

    await assert_same_async(server, acreate, json_reply(text_chat()))
    await assert_same_async(server, aread, sse_reply(BODY))


@pytest.mark.parametrize("use", [use for use, _ in RIGHT])
def test_a_failure_to_record_is_counted(server: ScriptedServer, capture: Callable[..., None], use: Use) -> None:
    capture(INBOX=f"{__name__}.BrokenInbox")

    assert_same(server, use, dict(RIGHT)[use])

    assert capture_failures_total() == {"RuntimeError": 1}


# --- Streams that are left ---------------------------------------------------------------------------------------


@pytest.fixture
def slow_stream(server: ScriptedServer) -> Iterator[ScriptedServer]:
    """A stream that says a little, and then nothing more."""
    never = threading.Event()
    said = sse_bytes(TEXT_CHUNKS[:2], is_done=False)
    server.replies = [Reply([said, never], headers={"content-type": "text/event-stream", "x-request-id": "req-1"})]
    yield server
    never.set()


async def test_a_cancelled_task_leaves_a_partial_example(slow_stream: ScriptedServer) -> None:
    came = asyncio.Event()
    async with async_client_for(slow_stream) as client:

        async def read() -> None:
            async for chunk in await instrument(client).chat.completions.create(**ASK, stream=True):
                if chunk.choices[0].delta.content:
                    came.set()

        task = asyncio.create_task(read())
        await came.wait()
        await asyncio.sleep(0.05)  # it waits for more now
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert only_record()["response_strong"] == "12 "
    assert facts()["partial"] is True


async def test_a_task_cancelled_before_the_answer_leaves_no_example(server: ScriptedServer) -> None:
    never = threading.Event()
    server.replies = [Reply([never], headers={"content-type": "application/json"})]
    async with async_client_for(server) as client:
        task = asyncio.create_task(instrument(client).chat.completions.create(**ASK))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    never.set()

    assert records() == []


async def test_a_stream_that_timed_out_in_wait_for_leaves_a_partial_example(slow_stream: ScriptedServer) -> None:
    async with async_client_for(slow_stream) as client:
        chunks = await instrument(client).chat.completions.create(**ASK, stream=True)
        await anext(chunks)
        await anext(chunks)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(chunks), 0.05)

    assert only_record()["response_strong"] == "12 "


def test_a_dropped_stream_leaves_a_partial_example(slow_stream: ScriptedServer) -> None:
    with client_for(slow_stream) as client:
        chunks = instrument(client).chat.completions.create(**ASK, stream=True)
        next(chunks)
        next(chunks)
        del chunks
        gc.collect()

    assert only_record()["response_strong"] == "12 "
    assert (facts()["partial"], facts()["request_id"]) == (True, "req-1")


async def test_a_dropped_async_stream_leaves_a_partial_example(slow_stream: ScriptedServer) -> None:
    async with async_client_for(slow_stream) as client:
        chunks = await instrument(client).chat.completions.create(**ASK, stream=True)
        await anext(chunks)
        await anext(chunks)
        del chunks
        gc.collect()
        await asyncio.sleep(0)

    assert facts()["partial"] is True


def test_a_response_that_is_left_keeps_what_http_told(server: ScriptedServer) -> None:
    server.replies = [TOO_MANY, sse_reply(sse_bytes(text_events("12 ", "EUR"), named=True))]
    with (
        client_for(server, max_retries=1) as client,
        instrument(client).responses.stream(**ASK_RESPONSES) as events,
    ):
        for event in events:
            if event.type == "response.output_text.delta":
                break

    assert only_record()["response_strong"] == "12 "
    assert (facts()["partial"], facts()["request_id"], facts()["retries"]) == (True, "req-1", 1)


def test_a_stream_closed_by_another_thread_ends_as_before(server: ScriptedServer) -> None:
    never = threading.Event()
    said = sse_bytes(TEXT_CHUNKS[:2], is_done=False)

    def read_and_be_closed(client: Any) -> Iterator[Any]:
        chunks = client.chat.completions.create(**ASK, stream=True)
        yield next(chunks)
        yield next(chunks)
        closer = threading.Thread(target=chunks.close)
        closer.start()
        closer.join()

    assert_same(server, read_and_be_closed, Reply([said, never], headers={"content-type": "text/event-stream"}))
    never.set()

    assert facts()["partial"] is True


def test_a_stream_that_ends_outside_of_its_context_keeps_it(server: ScriptedServer) -> None:
    server.replies = [sse_reply(BODY)]
    with client_for(server) as client:
        with capture_context(task="shop", user_id="42", page=7):
            chunks = instrument(client).chat.completions.create(**ASK, stream=True)
        with capture_context(task="other"):
            list(chunks)

    assert only_record()["task"] == "shop"
    assert facts()["user_id"] == "42"
    assert only_record()["metadata"]["page"] == 7


# --- Threads, forks, contexts ------------------------------------------------------------------------------------


def test_threads_that_share_a_client_are_all_recorded(server: ScriptedServer) -> None:
    server.answer_for = lambda seen: sse_reply(BODY) if seen.json().get("stream") else json_reply(text_chat())
    with client_for(server) as client, ThreadPoolExecutor(8) as pool:
        instrument(client)
        uses = [create, read, create_raw, create_streaming_response] * 10
        answers = list(pool.map(lambda use: [shown(each) for each in use(client)], uses))

    assert [len(answer) > 0 for answer in answers] == [True] * 40
    assert len(records()) == 40


async def test_tasks_that_share_a_client_keep_their_contexts(server: ScriptedServer) -> None:
    server.replies = [json_reply(text_chat())]
    async with async_client_for(server) as client:
        instrument(client)

        async def ask(number: int) -> None:
            with capture_context(task=f"task {number}", user_id=str(number)):
                await client.chat.completions.create(
                    model="small-1", messages=[{"role": "user", "content": f"Question {number}"}]
                )

        await asyncio.gather(*(ask(number) for number in range(10)))

    found = [(r["task"], r["metadata"]["gleaner"]["user_id"], r["prompt_text"]) for r in records()]
    assert sorted(found) == sorted((f"task {n}", str(n), f"Question {n}") for n in range(10))


def test_a_fork_records_too(server: ScriptedServer) -> None:
    server.replies = [json_reply(text_chat())]
    client = instrument(client_for(server))
    client.chat.completions.create(**ASK)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            client.with_options(http_client=None).chat.completions.create(**ASK)
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    client.chat.completions.create(**ASK)

    assert os.waitstatus_to_exitcode(status) == 0
    assert len(records()) == 3


def test_a_stream_read_in_another_context_is_recorded(server: ScriptedServer) -> None:
    """As frameworks do, that read an iterator in the threads of a pool."""
    server.replies = [sse_reply(BODY)]
    with client_for(server) as client:
        chunks = contextvars.copy_context().run(instrument(client).chat.completions.create, **ASK, stream=True)
        while contextvars.copy_context().run(next, chunks, None) is not None:
            pass

    assert "partial" not in facts()
