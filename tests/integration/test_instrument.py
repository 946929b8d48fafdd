"""`instrument` changes nothing: neither what a caller gets from the SDK, nor what the server gets from the caller."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import httpx2
import openai
import pydantic
import pytest
from openai.types.chat import ChatCompletion

from capture_app import instrument
from capture_app.exceptions import CaptureConfigurationError
from capture_app.metrics import capture_failures_total
from tests.integration.openai_answers import (
    AZURE_CHUNKS,
    CALL_ITEM,
    MESSAGE_ITEM,
    REASONING_ITEM,
    REFUSAL_ITEM,
    SECOND_TOOL_CALL,
    TEXT_CHUNKS,
    TOOL_CALL,
    TOOL_CHUNKS,
    call_events,
    chat,
    choice,
    chunks_of,
    response,
    text_chat,
    text_events,
)
from tests.integration.openai_server import Reply, ScriptedServer, json_reply, scripted_server, sse_bytes, sse_reply
from tests.integration.side_by_side import (
    AsyncUse,
    Use,
    assert_same,
    assert_same_async,
    client_for,
    records,
    shown,
)

ASK: dict[str, Any] = {"model": "small-1", "messages": [{"role": "user", "content": "What is the price?"}]}
ASK_RESPONSES: dict[str, Any] = {"model": "small-1", "input": "What is the price?"}
TOOL = {"type": "function", "function": {"name": "price", "parameters": {"type": "object", "properties": {}}}}


class Price(pydantic.BaseModel):
    sku: int


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as server:
        yield server


@pytest.fixture(autouse=True)
def no_failures() -> Iterator[None]:
    """Nothing of this may go wrong behind the caller's back either."""
    before = capture_failures_total()
    yield
    assert capture_failures_total() == before


def stream(events: list[Any], **options: Any) -> Reply:
    return sse_reply(sse_bytes(events, **options), every=7)


def events_reply(events: list[Any]) -> Reply:
    return sse_reply(sse_bytes(events, named=True, is_done=False), every=7)


# --- Chat completions --------------------------------------------------------------------------------------------


def create(client: Any) -> Iterator[Any]:
    yield client.chat.completions.create(**ASK)


def create_with_options(client: Any) -> Iterator[Any]:
    yield client.with_options(timeout=7, default_headers={"x-team": "shop"}).chat.completions.create(**ASK)


def create_with_extras(client: Any) -> Iterator[Any]:
    yield client.chat.completions.create(
        **ASK, extra_headers={"x-team": "shop"}, extra_query={"v": "1"}, extra_body={"top_k": 5}, timeout=5
    )


def create_with_tools(client: Any) -> Iterator[Any]:
    yield client.chat.completions.create(**ASK, tools=[TOOL], tool_choice="auto", temperature=0)


def create_with_functions(client: Any) -> Iterator[Any]:
    yield client.chat.completions.create(**ASK, functions=[TOOL["function"]], function_call="auto")


def parse(client: Any) -> Iterator[Any]:
    yield client.chat.completions.parse(**ASK, response_format=Price)


def parse_tools(client: Any) -> Iterator[Any]:
    yield client.chat.completions.parse(**ASK, tools=[openai.pydantic_function_tool(Price, name="price")])


def create_raw(client: Any) -> Iterator[Any]:
    raw = client.chat.completions.with_raw_response.create(**ASK)
    yield raw
    yield raw.text
    yield raw.parse()
    yield raw.parse() is raw.parse()
    yield raw.parse(to=dict[str, object])


def create_raw_and_never_parse(client: Any) -> Iterator[Any]:
    yield client.chat.completions.with_raw_response.create(**ASK)


def parse_raw(client: Any) -> Iterator[Any]:
    yield client.chat.completions.with_raw_response.parse(**ASK, response_format=Price).parse()


def create_streaming_response(client: Any) -> Iterator[Any]:
    with client.chat.completions.with_streaming_response.create(**ASK) as raw:
        yield raw
        yield raw.parse()
        yield raw.http_response.is_closed


def read_streaming_response(client: Any) -> Iterator[Any]:
    with client.chat.completions.with_streaming_response.create(**ASK) as raw:
        yield from raw.iter_lines()


def multi_turn(client: Any) -> Iterator[Any]:
    messages = list(ASK["messages"])
    first = client.chat.completions.create(model="small-1", messages=messages, tools=[TOOL])
    messages.append(first.choices[0].message)  # the SDK's own object
    messages.append({"role": "tool", "tool_call_id": "c1", "content": "12"})
    yield client.chat.completions.create(model="small-1", messages=iter(messages), tools=[TOOL])


def post(client: Any) -> Iterator[Any]:
    yield client.post("/chat/completions", cast_to=ChatCompletion, body=ASK)


CHAT_USES: list[tuple[Use, Reply]] = [
    (create, json_reply(text_chat())),
    (create, json_reply(text_chat("Größer als 12 € 🎈"), content_type="application/json; charset=utf-8")),
    (create, json_reply(chat(choice(0, content="12 EUR"), choice(1, content="13 EUR")))),
    (create, json_reply(chat(choice(refusal="I must not say.")))),
    (create, json_reply(chat(choice(content="12", finish_reason="length"), usage=None))),
    (create_with_options, json_reply(text_chat())),
    (create_with_extras, json_reply(text_chat())),
    (create_with_tools, json_reply(chat(choice(tool_calls=[TOOL_CALL, SECOND_TOOL_CALL], finish_reason="tool_calls")))),
    (
        create_with_tools,
        json_reply(
            chat(choice(tool_calls=[{"id": "c1", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}]))
        ),
    ),
    (
        create_with_functions,
        json_reply(
            chat(choice(function_call={"name": "price", "arguments": "{}"}, finish_reason="function_call")),
        ),
    ),
    (parse, json_reply(text_chat('{"sku":1}'))),
    (parse, json_reply(text_chat("no JSON at all"))),
    (parse, json_reply(chat(choice(content='{"sku"', finish_reason="length")))),
    (parse, json_reply(chat(choice(refusal="I must not say.")))),
    (parse_tools, json_reply(chat(choice(tool_calls=[TOOL_CALL], finish_reason="tool_calls")))),
    (create_raw, json_reply(text_chat())),
    (create_raw_and_never_parse, json_reply(text_chat())),
    (parse_raw, json_reply(text_chat('{"sku":1}'))),
    (create_streaming_response, json_reply(text_chat())),
    (read_streaming_response, json_reply(text_chat())),
    (multi_turn, json_reply(chat(choice(tool_calls=[TOOL_CALL], finish_reason="tool_calls")))),
    (post, json_reply(text_chat())),
]


def names(uses: list[Any]) -> list[str]:
    return [use.__name__ for use, _ in uses]


@pytest.mark.parametrize(("use", "reply"), CHAT_USES, ids=names(CHAT_USES))
def test_a_chat_completion_is_as_without_it(server: ScriptedServer, use: Use, reply: Reply) -> None:
    assert_same(server, use, reply)


def read(client: Any) -> Iterator[Any]:
    chunks = client.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True})
    yield chunks
    yield from chunks
    yield chunks
    yield list(chunks)


def read_without_usage(client: Any) -> Iterator[Any]:
    yield from client.chat.completions.create(**ASK, stream=True)


def read_by_next(client: Any) -> Iterator[Any]:
    chunks = client.chat.completions.create(**ASK, stream=True)
    while True:
        try:
            yield next(chunks)
        except StopIteration:
            break
    yield next(chunks, "nothing more")


def read_in_a_block(client: Any) -> Iterator[Any]:
    with client.chat.completions.create(**ASK, stream=True) as chunks:
        yield from chunks
    yield chunks


def leave_in_the_middle(client: Any) -> Iterator[Any]:
    with client.chat.completions.create(**ASK, stream=True) as chunks:
        yield next(chunks)
        yield next(chunks)
    yield chunks


def leave_before_the_first(client: Any) -> Iterator[Any]:
    chunks = client.chat.completions.create(**ASK, stream=True)
    chunks.close()
    chunks.close()
    yield chunks


def close_and_read_on(client: Any) -> Iterator[Any]:
    chunks = client.chat.completions.create(**ASK, stream=True)
    yield next(chunks)
    chunks.close()
    yield from chunks


def read_events(client: Any) -> Iterator[Any]:
    with client.chat.completions.stream(**ASK) as events:
        yield from events
        yield events.get_final_completion()


def read_parsed_events(client: Any) -> Iterator[Any]:
    with client.chat.completions.stream(**ASK, response_format=Price) as events:
        yield from events
        yield events.get_final_completion()


def wait_for_the_final_completion(client: Any) -> Iterator[Any]:
    with client.chat.completions.stream(**ASK) as events:
        yield events.get_final_completion()


def leave_the_events(client: Any) -> Iterator[Any]:
    with client.chat.completions.stream(**ASK) as events:
        for event in events:
            yield event
            if event.type == "content.delta" and event.delta:
                break
    yield events.current_completion_snapshot


def read_raw_stream(client: Any) -> Iterator[Any]:
    raw = client.chat.completions.with_raw_response.create(**ASK, stream=True)
    yield raw
    yield from raw.parse()
    yield raw.parse() is raw.parse()


def read_streaming_response_events(client: Any) -> Iterator[Any]:
    with client.chat.completions.with_streaming_response.create(**ASK, stream=True) as raw:
        yield raw
        yield from raw.parse()


def read_lines_of_a_stream(client: Any) -> Iterator[Any]:
    with client.chat.completions.with_streaming_response.create(**ASK, stream=True) as raw:
        yield from raw.iter_lines()


STREAM_USES: list[tuple[Use, Reply]] = [
    (read, stream(TEXT_CHUNKS)),
    (read, stream(TEXT_CHUNKS, eol=b"\r\n")),
    (read, stream(TEXT_CHUNKS, eol=b"\r")),
    (read, stream(TEXT_CHUNKS, is_done=False)),
    (read, stream([b": keep-alive\n\n", *TEXT_CHUNKS[:2], b": ping\n", b"retry: 5\n\n", *TEXT_CHUNKS[2:]])),
    (read, sse_reply(sse_bytes(TEXT_CHUNKS), every=1)),
    (read, stream(TOOL_CHUNKS)),
    (read, stream(AZURE_CHUNKS)),
    (read, stream([])),
    (read_without_usage, stream(chunks_of({"content": "12 EUR"}, usage=False))),
    (read_by_next, stream(TEXT_CHUNKS)),
    (read_in_a_block, stream(TEXT_CHUNKS)),
    (leave_in_the_middle, stream(TEXT_CHUNKS)),
    (leave_before_the_first, stream(TEXT_CHUNKS)),
    (close_and_read_on, sse_reply(sse_bytes(TEXT_CHUNKS))),  # at once: what came already can still be read
    (read_events, stream(TEXT_CHUNKS)),
    (read_events, stream(TOOL_CHUNKS)),
    (read_events, stream(AZURE_CHUNKS)),
    (read_events, stream(chunks_of({"refusal": "I must "}, {"refusal": "not say."}))),
    (read_parsed_events, stream(chunks_of({"content": '{"sku"'}, {"content": ":1}"}))),
    (read_parsed_events, stream(chunks_of({"content": '{"sku"'}, finish_reason="length"))),
    (wait_for_the_final_completion, stream(TEXT_CHUNKS)),
    (leave_the_events, stream(TEXT_CHUNKS)),
    (read_raw_stream, stream(TEXT_CHUNKS)),
    (read_streaming_response_events, stream(TEXT_CHUNKS)),
    (read_lines_of_a_stream, stream(TEXT_CHUNKS)),
]


@pytest.mark.parametrize(("use", "reply"), STREAM_USES, ids=names(STREAM_USES))
def test_a_streamed_completion_is_as_without_it(server: ScriptedServer, use: Use, reply: Reply) -> None:
    assert_same(server, use, reply)


# --- Responses ---------------------------------------------------------------------------------------------------


def respond(client: Any) -> Iterator[Any]:
    yield client.responses.create(**ASK_RESPONSES, instructions="Be brief.")


def respond_parsed(client: Any) -> Iterator[Any]:
    parsed = client.responses.parse(**ASK_RESPONSES, text_format=Price)
    yield parsed
    yield parsed.output_parsed


def respond_raw(client: Any) -> Iterator[Any]:
    raw = client.responses.with_raw_response.create(**ASK_RESPONSES)
    yield raw
    yield raw.parse()


def respond_streaming_response(client: Any) -> Iterator[Any]:
    with client.responses.with_streaming_response.create(**ASK_RESPONSES) as raw:
        yield raw.parse()


def respond_in_turns(client: Any) -> Iterator[Any]:
    given: list[Any] = [{"role": "user", "content": "What is the price?"}]
    given += client.responses.create(model="small-1", input=given).output
    given.append({"type": "function_call_output", "call_id": "c1", "output": "12"})
    yield client.responses.create(model="small-1", input=given)


def respond_in_background(client: Any) -> Iterator[Any]:
    yield client.responses.create(**ASK_RESPONSES, background=True)


def look_up_a_response(client: Any) -> Iterator[Any]:
    yield client.responses.retrieve("resp_1")


def respond_streamed(client: Any) -> Iterator[Any]:
    events = client.responses.create(**ASK_RESPONSES, stream=True)
    yield events
    yield from events
    yield events


def respond_by_helper(client: Any) -> Iterator[Any]:
    with client.responses.stream(**ASK_RESPONSES) as events:
        yield from events
        yield events.get_final_response()


def respond_by_parsing_helper(client: Any) -> Iterator[Any]:
    with client.responses.stream(**ASK_RESPONSES, text_format=Price) as events:
        yield from events
        yield events.get_final_response().output_parsed


def respond_and_leave(client: Any) -> Iterator[Any]:
    with client.responses.stream(**ASK_RESPONSES) as events:
        for event in events:
            yield event
            if event.type == "response.output_text.delta":
                break


RESPONSE_USES: list[tuple[Use, Reply]] = [
    (respond, json_reply(response(MESSAGE_ITEM))),
    (respond, json_reply(response(REASONING_ITEM, MESSAGE_ITEM, CALL_ITEM))),
    (respond, json_reply(response(REFUSAL_ITEM))),
    (
        respond,
        json_reply(response(MESSAGE_ITEM, status="incomplete", incomplete_details={"reason": "max_output_tokens"})),
    ),
    (respond, json_reply(response(status="failed", error={"code": "server_error", "message": "Sorry."}))),
    (respond_parsed, json_reply(response(MESSAGE_ITEM))),
    (respond_raw, json_reply(response(MESSAGE_ITEM))),
    (respond_streaming_response, json_reply(response(MESSAGE_ITEM))),
    (respond_in_turns, json_reply(response(REASONING_ITEM, CALL_ITEM))),
    (respond_in_background, json_reply(response(status="queued", usage=None))),
    (look_up_a_response, json_reply(response(MESSAGE_ITEM))),
    (respond_streamed, events_reply(text_events("12 ", "EUR"))),
    (respond_streamed, events_reply(call_events())),
    (respond_streamed, sse_reply(sse_bytes(text_events("12 ", "€"), named=True, is_done=False), every=1)),
    (respond_by_helper, events_reply(text_events("12 ", "EUR"))),
    (respond_by_helper, events_reply(call_events())),
    (respond_by_parsing_helper, events_reply(text_events('{"sku"', ":1}"))),
    (respond_and_leave, events_reply(text_events("12 ", "EUR"))),
]


@pytest.mark.parametrize(("use", "reply"), RESPONSE_USES, ids=names(RESPONSE_USES))
def test_a_response_is_as_without_it(server: ScriptedServer, use: Use, reply: Reply) -> None:
    assert_same(server, use, reply)


# --- Async -------------------------------------------------------------------------------------------------------


async def acreate(client: Any) -> AsyncIterator[Any]:
    yield await client.chat.completions.create(**ASK, tools=[TOOL])


async def acreate_with_options(client: Any) -> AsyncIterator[Any]:
    yield await client.with_options(timeout=7).chat.completions.create(**ASK)


async def aparse(client: Any) -> AsyncIterator[Any]:
    yield await client.chat.completions.parse(**ASK, response_format=Price)


async def acreate_raw(client: Any) -> AsyncIterator[Any]:
    raw = await client.chat.completions.with_raw_response.create(**ASK)
    yield raw
    yield raw.parse()
    yield raw.parse() is raw.parse()


async def acreate_streaming_response(client: Any) -> AsyncIterator[Any]:
    async with client.chat.completions.with_streaming_response.create(**ASK) as raw:
        yield raw
        yield await raw.parse()


async def aread(client: Any) -> AsyncIterator[Any]:
    chunks = await client.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True})
    yield chunks
    async for chunk in chunks:
        yield chunk
    yield chunks
    yield [chunk async for chunk in chunks]


async def aleave(client: Any) -> AsyncIterator[Any]:
    async with await client.chat.completions.create(**ASK, stream=True) as chunks:
        yield await anext(chunks)
        yield await anext(chunks)
    yield chunks


async def aclose_and_read_on(client: Any) -> AsyncIterator[Any]:
    chunks = await client.chat.completions.create(**ASK, stream=True)
    yield await anext(chunks)
    await chunks.close()
    async for chunk in chunks:
        yield chunk


async def aread_events(client: Any) -> AsyncIterator[Any]:
    async with client.chat.completions.stream(**ASK) as events:
        async for event in events:
            yield event
        yield await events.get_final_completion()


async def aread_raw_stream(client: Any) -> AsyncIterator[Any]:
    raw = await client.chat.completions.with_raw_response.create(**ASK, stream=True)
    async for chunk in raw.parse():
        yield chunk


async def aread_streaming_response(client: Any) -> AsyncIterator[Any]:
    async with client.chat.completions.with_streaming_response.create(**ASK, stream=True) as raw:
        async for chunk in await raw.parse():
            yield chunk


async def arespond(client: Any) -> AsyncIterator[Any]:
    yield await client.responses.create(**ASK_RESPONSES)


async def arespond_parsed(client: Any) -> AsyncIterator[Any]:
    yield await client.responses.parse(**ASK_RESPONSES, text_format=Price)


async def arespond_streamed(client: Any) -> AsyncIterator[Any]:
    events = await client.responses.create(**ASK_RESPONSES, stream=True)
    async for event in events:
        yield event
    yield events


async def arespond_by_helper(client: Any) -> AsyncIterator[Any]:
    async with client.responses.stream(**ASK_RESPONSES) as events:
        async for event in events:
            yield event
        yield await events.get_final_response()


ASYNC_USES: list[tuple[AsyncUse, Reply]] = [
    (acreate, json_reply(text_chat())),
    (acreate, json_reply(chat(choice(tool_calls=[TOOL_CALL], finish_reason="tool_calls")))),
    (acreate_with_options, json_reply(text_chat())),
    (aparse, json_reply(text_chat('{"sku":1}'))),
    (aparse, json_reply(chat(choice(content='{"sku"', finish_reason="length")))),
    (acreate_raw, json_reply(text_chat())),
    (acreate_streaming_response, json_reply(text_chat())),
    (aread, stream(TEXT_CHUNKS)),
    (aread, stream(TEXT_CHUNKS, eol=b"\r\n", is_done=False)),
    (aread, sse_reply(sse_bytes(TEXT_CHUNKS), every=1)),
    (aread, stream(TOOL_CHUNKS)),
    (aread, stream(AZURE_CHUNKS)),
    (aread, stream([])),
    (aleave, stream(TEXT_CHUNKS)),
    (aclose_and_read_on, sse_reply(sse_bytes(TEXT_CHUNKS))),
    (aread_events, stream(TEXT_CHUNKS)),
    (aread_events, stream(TOOL_CHUNKS)),
    (aread_raw_stream, stream(TEXT_CHUNKS)),
    (aread_streaming_response, stream(TEXT_CHUNKS)),
    (arespond, json_reply(response(REASONING_ITEM, MESSAGE_ITEM))),
    (arespond_parsed, json_reply(response(MESSAGE_ITEM))),
    (arespond_streamed, events_reply(text_events("12 ", "EUR"))),
    (arespond_streamed, events_reply(call_events())),
    (arespond_by_helper, events_reply(text_events("12 ", "EUR"))),
]


@pytest.mark.parametrize(("use", "reply"), ASYNC_USES, ids=names(ASYNC_USES))
async def test_an_awaited_answer_is_as_without_it(server: ScriptedServer, use: AsyncUse, reply: Reply) -> None:
    await assert_same_async(server, use, reply)


# --- Clients -----------------------------------------------------------------------------------------------------


AZURE: dict[str, Any] = {"api_key": "secret-key", "api_version": "2024-10-21"}
AZURE_PATH = "/v1/openai/deployments/small-1/chat/completions?api-version=2024-10-21"


def test_azures_client_asks_for_its_deployment_as_before(server: ScriptedServer) -> None:
    server.replies = [json_reply(text_chat())]
    with (
        openai.AzureOpenAI(azure_endpoint=server.base_url, **AZURE) as bare,
        openai.AzureOpenAI(azure_endpoint=server.base_url, **AZURE) as client,
    ):
        asked = [bare, instrument(client), client.with_options(timeout=9)]
        answers = [shown(each.chat.completions.create(**ASK)) for each in asked]

    assert answers == [answers[0]] * 3
    assert [seen.path for seen in server.seen] == [AZURE_PATH] * 3
    assert len(records()) == 2


async def test_azures_async_client_asks_for_its_deployment_as_before(server: ScriptedServer) -> None:
    server.replies = [json_reply(text_chat())]
    async with (
        openai.AsyncAzureOpenAI(azure_endpoint=server.base_url, **AZURE) as bare,
        openai.AsyncAzureOpenAI(azure_endpoint=server.base_url, **AZURE) as client,
    ):
        asked = [bare, instrument(client), client.with_options(timeout=9)]
        answers = [shown(await each.chat.completions.create(**ASK)) for each in asked]

    assert answers == [answers[0]] * 3
    assert [seen.path for seen in server.seen] == [AZURE_PATH] * 3
    assert len(records()) == 2


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_a_client_of_either_http_library_is_recorded(server: ScriptedServer, library: Any) -> None:
    server.replies = [json_reply(text_chat()), stream(TEXT_CHUNKS)]
    with library.Client() as http:
        client = instrument(client_for(server, http_client=http))

        client.chat.completions.create(**ASK)
        with client.chat.completions.create(**ASK, stream=True) as chunks:
            next(chunks), next(chunks)

    assert len(records()) == 2


def test_a_client_keeps_its_type() -> None:
    client = openai.OpenAI(api_key="k")

    assert instrument(client) is client
    assert type(client.with_options(timeout=3)) is openai.OpenAI


def test_what_was_taken_from_the_client_before_is_recorded_too(server: ScriptedServer) -> None:
    server.replies = [json_reply(text_chat())]
    client = client_for(server)
    completions, raw = client.chat.completions, client.chat.completions.with_raw_response

    instrument(client)
    completions.create(**ASK)
    raw.create(**ASK)

    assert len(records()) == 2


def test_instrumenting_twice_records_once(server: ScriptedServer) -> None:
    server.replies = [json_reply(text_chat())]
    client = instrument(instrument(client_for(server)))

    client.chat.completions.create(**ASK)
    instrument(client.with_options(timeout=3).copy()).chat.completions.create(**ASK)

    assert len(records()) == 2


def test_another_client_is_left_alone(server: ScriptedServer) -> None:
    server.replies = [json_reply(text_chat())]
    instrument(client_for(server))

    client_for(server).chat.completions.create(**ASK)

    assert records() == []


@pytest.mark.parametrize("client", [None, object(), openai.OpenAI, httpx.Client])
def test_what_is_no_client_is_a_configuration_error(client: Any) -> None:
    with pytest.raises(CaptureConfigurationError, match=r"openai\.OpenAI"):
        instrument(client)


def test_other_requests_are_not_recorded(server: ScriptedServer) -> None:
    server.replies = [json_reply({"object": "list", "data": []})]
    client = instrument(client_for(server))

    client.models.list()
    client.embeddings.create(model="small-1", input="12 EUR", encoding_format="float")
    client.chat.completions.list()

    assert records() == []
