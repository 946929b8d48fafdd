"""A provider over any-llm, against a real server on the loopback."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from any_llm.utils.aio import run_async_in_sync

from capture_app import acall_llm, call_llm
from capture_app.exceptions import UnexpectedAnswer
from capture_app.providers import get_provider
from capture_app.providers.any_llm import _close
from tests.integration.openai_server import ChatServer, chat_server, chunk, completion, error
from tests.unit.capture_app.captured import only_record, waiting_records

USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
CHUNKS = (
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "12 "}),
    chunk({"content": "EUR"}),
    chunk({}, finish_reason="stop"),
    chunk(usage=USAGE),
)
TOOL = {"type": "function", "function": {"name": "price", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "price", "arguments": '{"sku":1}'}}


@pytest.fixture
def server(capture: Callable[..., None]) -> Iterator[ChatServer]:
    with chat_server() as server:
        server.answer = completion({"content": "12 EUR"})
        server.chunks = CHUNKS
        options = {"provider": "openai", "api_key": "secret-key", "api_base": server.base_url}
        backend = "capture_app.providers.any_llm.AnyLLMProvider"
        capture(
            PROVIDERS={"local": {"BACKEND": backend, "OPTIONS": options}},
            DEFAULT_PROVIDER="local",
            DEFAULT_MODEL="small-1",
        )
        yield server
        run_async_in_sync(_close(get_provider("local")._client))  # type: ignore[attr-defined]  # of calls without await
        run_async_in_sync(asyncio.sleep(0.05))  # the loop closes sockets in its next rounds


def test_an_answer_is_recorded(server: ChatServer) -> None:
    response = call_llm("What is the price?", system_prompt="Be brief.", training_metadata={})

    record = only_record()
    assert response.text == record["response_strong"] == "12 EUR"
    assert (record["provider"], record["model_name"]) == ("local", "small-1-2026-03-01")
    assert (record["input_tokens"], record["output_tokens"]) == (9, 3)
    assert record["metadata"]["gleaner"]["finish_reason"] == "stop"


def test_the_server_is_asked_what_the_caller_asked(server: ChatServer) -> None:
    call_llm("What is the price?", parameters={"temperature": 0}, tools=[TOOL])

    [request] = server.requests
    assert request["messages"] == [{"role": "user", "content": "What is the price?"}]
    assert (request["model"], request["temperature"], request["tools"]) == ("small-1", 0, [TOOL])


def test_tool_calls_are_recorded(server: ChatServer) -> None:
    server.answer = completion({"content": None, "tool_calls": [CALL]})

    assert call_llm("What is the price?", tools=[TOOL], training_metadata={}).tool_calls == [CALL]
    assert only_record()["metadata"]["gleaner"]["tool_calls"] == [CALL]


def test_a_stream_is_recorded(server: ChatServer) -> None:
    stream = call_llm("x", stream=True, parameters={"stream_options": {"include_usage": True}}, training_metadata={})

    assert "".join(delta.text for delta in stream) == "12 EUR"
    assert (only_record()["response_strong"], only_record()["input_tokens"]) == ("12 EUR", 9)


def test_a_stream_that_is_left_is_partial(server: ChatServer) -> None:
    with call_llm("x", stream=True, training_metadata={}) as stream:
        for delta in stream:
            if delta.text:
                break

    assert only_record()["metadata"]["gleaner"]["partial"] is True


async def test_an_awaited_answer_and_stream_are_recorded(server: ChatServer) -> None:
    response = await acall_llm("x", training_metadata={})
    stream = await acall_llm("x", stream=True, training_metadata={})
    text = "".join([delta.text async for delta in stream])

    assert response.text == text == "12 EUR"
    assert [record["response_strong"] for record in waiting_records()] == ["12 EUR"] * 2


async def test_a_call_without_await_within_a_loop_is_refused_as_any_llm_does(server: ChatServer) -> None:
    with pytest.raises(RuntimeError, match="async"):
        call_llm("x")


def test_threads_that_share_the_provider_are_all_recorded(server: ChatServer) -> None:
    call_llm("x")  # threads that ask for the provider first at the same time may make it more than once

    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda number: call_llm(f"Question {number}", training_metadata={}).text, range(24)))

    assert texts == ["12 EUR"] * 24
    assert len(waiting_records()) == 24


def test_a_process_may_run_one_event_loop_after_another(server: ChatServer) -> None:
    for number in range(3):
        asyncio.run(acall_llm(f"Question {number}", training_metadata={}))

    assert len(waiting_records()) == 3


def test_event_loops_that_ended_leave_no_connection_open(server: ChatServer) -> None:
    def open_descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    asyncio.run(acall_llm("Question 0"))
    before = open_descriptors()
    for number in range(1, 6):
        asyncio.run(acall_llm(f"Question {number}"))

    assert open_descriptors() <= before + 2


def ask() -> None:
    call_llm("x", training_metadata={})


def read() -> None:
    list(call_llm("x", stream=True, training_metadata={}))


@pytest.mark.filterwarnings("ignore:Provider-specific exceptions")
@pytest.mark.parametrize("use", [ask, read])
def test_an_error_of_the_service_leaves_no_example(server: ChatServer, use: Callable[[], None]) -> None:
    server.status, server.answer = 401, error("Not today.", "some_error")

    with pytest.raises(Exception, match=r"Not today\."):
        use()

    assert waiting_records() == []


def test_an_answer_without_choices_leaves_no_example(server: ChatServer) -> None:
    server.answer = {**completion({"content": "x"}), "choices": []}

    with pytest.raises(UnexpectedAnswer, match="without a choice"):
        ask()

    assert waiting_records() == []


def test_usage_of_details_that_no_service_named_is_unknown(server: ChatServer) -> None:
    ask()

    kept: dict[str, Any] = only_record()["metadata"]["gleaner"]
    assert "cached_input_tokens" not in kept
    assert "reasoning_tokens" not in kept
