"""Streams that are cancelled, dropped or closed before their end leave a partial example."""

import asyncio
import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from capture_app import capture_context, instrument
from tests.integration.instrument.uses import ASK, ASK_RESPONSES, BODY, TOO_MANY
from tests.integration.openai_answers import TEXT_CHUNKS, text_events
from tests.integration.openai_server import Reply, ScriptedServer, sse_bytes, sse_reply
from tests.integration.side_by_side import assert_same, async_client_for, client_for, facts, only_record, records


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


@pytest.mark.usefixtures("young_garbage")
def test_a_dropped_stream_leaves_a_partial_example(slow_stream: ScriptedServer) -> None:
    with client_for(slow_stream) as client:
        chunks = instrument(client).chat.completions.create(**ASK, stream=True)
        next(chunks)
        next(chunks)
        del chunks
        gc.collect()

    assert only_record()["response_strong"] == "12 "
    assert (facts()["partial"], facts()["request_id"]) == (True, "req-1")


@pytest.mark.usefixtures("young_garbage")
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
