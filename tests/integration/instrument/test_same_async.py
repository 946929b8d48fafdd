"""What is awaited is the same with `instrument`: chat completions and responses, whole or streamed."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.integration.instrument.uses import ASK, ASK_RESPONSES, TOOL, Price, events_reply, names, stream
from tests.integration.openai_answers import (
    AZURE_CHUNKS,
    MESSAGE_ITEM,
    REASONING_ITEM,
    TEXT_CHUNKS,
    TOOL_CALL,
    TOOL_CHUNKS,
    call_events,
    chat,
    choice,
    response,
    text_chat,
    text_events,
)
from tests.integration.openai_server import Reply, ScriptedServer, json_reply, sse_bytes, sse_reply
from tests.integration.side_by_side import AsyncUse, assert_same_async

pytestmark = pytest.mark.usefixtures("no_failures")


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
