"""call_llm through the OpenAI SDK against a real server on the loopback."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest

from capture_app import acall_llm, call_llm
from capture_app.conf import capture_settings
from capture_app.exceptions import UnexpectedAnswer
from tests.integration.openai_server import ChatServer, chat_server, chunk, completion, error

TOOL = {"type": "function", "function": {"name": "price", "parameters": {"type": "object", "properties": {}}}}
CALLS = [
    {"id": "c1", "type": "function", "function": {"name": "price", "arguments": '{"sku":1}'}},
    {"id": "c2", "type": "function", "function": {"name": "stock", "arguments": "{}"}},
]


@pytest.fixture
def server(capture: Callable[..., None]) -> Iterator[ChatServer]:
    with chat_server() as server:
        server.answer = completion({"content": "12 EUR"})
        server.chunks = STREAM
        capture(
            PROVIDERS={
                "local": {
                    "BACKEND": "capture_app.providers.openai_compatible.OpenAICompatibleProvider",
                    "OPTIONS": {"base_url": server.base_url, "api_key": "secret-key", "max_retries": 0},
                }
            },
            DEFAULT_PROVIDER="local",
            DEFAULT_MODEL="small-1",
        )
        yield server


STREAM = (
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "12 "}),
    chunk({"content": "EUR"}),
    chunk({}, finish_reason="stop"),
    chunk(usage={"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}),
)


def records() -> list[dict[str, Any]]:
    spool = capture_settings().data_dir / "spool"
    return [orjson.loads(line) for path in sorted(spool.glob("*.jsonl")) for line in path.read_bytes().splitlines()]


def only_record() -> dict[str, Any]:
    [record] = records()
    return record


# --- A plain call ------------------------------------------------------------------------------------------------


def test_the_answer_comes_back_and_is_recorded(server: ChatServer) -> None:
    response = call_llm("What is the price?", task="shop", training_metadata={})

    assert response.text == "12 EUR"
    assert response.finish_reason == "stop"
    assert response.provider == "local"
    assert (only_record()["id"], only_record()["response_strong"]) == (response.example_id, "12 EUR")


def test_the_server_is_asked_what_the_caller_asked(server: ChatServer) -> None:
    call_llm("What is the price?", system_prompt="Be brief.")

    assert server.requests == [
        {
            "model": "small-1",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "What is the price?"},
            ],
        }
    ]


def test_the_system_prompt_is_recorded(server: ChatServer) -> None:
    call_llm("What is the price?", system_prompt="Be brief.", training_metadata={})

    assert only_record()["system_prompt"] == "Be brief."


def test_the_key_is_sent_and_never_recorded(server: ChatServer) -> None:
    call_llm("What is the price?", training_metadata={})

    assert server.keys == ["Bearer secret-key"]
    assert b"secret-key" not in orjson.dumps(only_record())


def test_parameters_and_response_format_are_passed_on(server: ChatServer) -> None:
    call_llm("What is the price?", parameters={"temperature": 0, "seed": 7}, response_format={"type": "json_object"})

    [request] = server.requests
    assert (request["temperature"], request["seed"]) == (0, 7)
    assert request["response_format"] == {"type": "json_object"}


def test_a_parameter_beyond_the_standard_goes_in_the_extra_body(server: ChatServer) -> None:
    call_llm("What is the price?", parameters={"extra_body": {"top_k": 5}})

    assert server.requests[0]["top_k"] == 5


def test_the_model_is_recorded_as_the_server_names_it(server: ChatServer) -> None:
    response = call_llm("What is the price?", training_metadata={})

    assert response.model == only_record()["model_name"] == "small-1-2026-03-01"
    assert only_record()["metadata"]["gleaner"]["requested_model"] == "small-1"
    assert only_record()["metadata"]["gleaner"]["response_id"] == "chatcmpl-1"


def test_usage_counts_cached_tokens_among_the_input(server: ChatServer) -> None:
    server.answer["usage"] = {
        "prompt_tokens": 1000,
        "completion_tokens": 50,
        "total_tokens": 1050,
        "prompt_tokens_details": {"cached_tokens": 900},
        "completion_tokens_details": {"reasoning_tokens": 40},
    }

    response = call_llm("What is the price?", training_metadata={})

    kept = only_record()["metadata"]["gleaner"]
    assert (response.input_tokens, response.output_tokens) == (1000, 50)
    assert (only_record()["input_tokens"], only_record()["output_tokens"]) == (1000, 50)
    assert (kept["cached_input_tokens"], kept["reasoning_tokens"]) == (900, 40)


@pytest.mark.parametrize("usage", [None, {}, {"total_tokens": 12}])
def test_a_server_that_does_not_say_its_usage_leaves_it_unknown(server: ChatServer, usage: object) -> None:
    server.answer["usage"] = usage

    response = call_llm("What is the price?", training_metadata={})

    assert response.text == "12 EUR"
    assert (only_record()["input_tokens"], only_record()["output_tokens"]) == (None, None)


def test_a_server_that_leaves_out_what_it_may_is_understood(server: ChatServer) -> None:
    server.answer = {"choices": [{"message": {"content": "12 EUR"}}]}

    response = call_llm("What is the price?", training_metadata={})

    assert (response.text, response.model) == ("12 EUR", "small-1")
    assert only_record()["model_name"] == "small-1"


def test_tools_are_sent_and_their_calls_recorded(server: ChatServer) -> None:
    server.answer = completion({"content": None, "tool_calls": CALLS})

    response = call_llm("What is the price?", tools=[TOOL], training_metadata={})

    assert server.requests[0]["tools"] == [TOOL]
    assert response.text == ""
    assert response.tool_calls == CALLS
    assert orjson.loads(only_record()["response_strong"]) == CALLS
    assert only_record()["metadata"]["gleaner"]["tools"] == [TOOL]


def test_the_result_of_a_tool_can_be_sent_back(server: ChatServer) -> None:
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "What is the price?"},
        {"role": "assistant", "content": None, "tool_calls": CALLS[:1]},
        {"role": "tool", "tool_call_id": "c1", "content": "12"},
    ]

    call_llm(messages=messages, training_metadata={})

    assert server.requests[0]["messages"] == messages
    assert only_record()["metadata"]["gleaner"]["messages"] == messages


async def test_an_awaited_call_is_recorded(server: ChatServer) -> None:
    response = await acall_llm("What is the price?", training_metadata={})

    assert response.text == "12 EUR"
    assert (only_record()["id"], only_record()["input_tokens"]) == (response.example_id, 9)


async def test_awaited_calls_at_the_same_time_are_all_recorded(server: ChatServer) -> None:
    responses = await asyncio.gather(*(acall_llm(f"Question {n}", training_metadata={}) for n in range(10)))

    assert {record["id"] for record in records()} == {response.example_id for response in responses}
    assert {record["prompt_text"] for record in records()} == {f"Question {n}" for n in range(10)}


def test_a_process_may_run_one_event_loop_after_another(server: ChatServer) -> None:
    for number in range(3):
        asyncio.run(acall_llm(f"Question {number}", training_metadata={}))

    assert [record["prompt_text"] for record in records()] == ["Question 0", "Question 1", "Question 2"]


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_event_loops_that_ended_leave_no_connection_open(server: ChatServer) -> None:
    asyncio.run(acall_llm("Question 0"))
    before = open_descriptors()

    for number in range(1, 11):
        asyncio.run(acall_llm(f"Question {number}"))

    # The server, in this process too, may not have closed its end of the last ones yet.
    assert open_descriptors() <= before + 2


def test_a_fork_opens_connections_of_its_own(server: ChatServer) -> None:
    call_llm("Question 0", training_metadata={})
    child = os.fork()
    if child == 0:
        status = 1
        try:
            call_llm("Question 1", training_metadata={})
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    call_llm("Question 2", training_metadata={})

    assert os.waitstatus_to_exitcode(status) == 0
    assert sorted(record["prompt_text"] for record in records()) == ["Question 0", "Question 1", "Question 2"]


# --- Streams -----------------------------------------------------------------------------------------------------


def test_a_stream_is_recorded_with_the_usage_of_its_last_chunk(server: ChatServer) -> None:
    stream = call_llm("What is the price?", stream=True, training_metadata={})

    assert [delta.text for delta in stream if delta.text] == ["12 ", "EUR"]
    assert stream.response.text == only_record()["response_strong"] == "12 EUR"
    assert (stream.response.input_tokens, stream.response.output_tokens) == (9, 3)
    assert (only_record()["input_tokens"], only_record()["output_tokens"]) == (9, 3)
    assert only_record()["metadata"]["gleaner"]["finish_reason"] == "stop"


def test_a_stream_asks_for_its_usage(server: ChatServer) -> None:
    list(call_llm("What is the price?", stream=True))

    assert server.requests[0]["stream"] is True
    assert server.requests[0]["stream_options"] == {"include_usage": True}


def test_the_caller_may_choose_the_stream_options(server: ChatServer) -> None:
    list(call_llm("What is the price?", stream=True, parameters={"stream_options": {"include_usage": False}}))

    assert server.requests[0]["stream_options"] == {"include_usage": False}


def test_the_model_of_a_stream_is_the_one_the_server_names(server: ChatServer) -> None:
    list(call_llm("What is the price?", stream=True, training_metadata={}))

    assert only_record()["model_name"] == "small-1-2026-03-01"


def test_the_pieces_of_tool_calls_are_put_together(server: ChatServer) -> None:
    server.chunks = [
        chunk({"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "price"}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"sku"'}}]}),
        chunk({"tool_calls": [{"index": 1, "id": "c2", "function": {"name": "stock", "arguments": "{}"}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}),
        chunk({}, finish_reason="tool_calls"),
    ]

    stream = call_llm("What is the price?", tools=[TOOL], stream=True, training_metadata={})
    list(stream)

    assert stream.response.tool_calls == CALLS
    assert orjson.loads(only_record()["response_strong"]) == CALLS


def test_tool_calls_whose_server_leaves_out_the_index_are_kept_apart(server: ChatServer) -> None:
    server.chunks = [chunk({"tool_calls": CALLS}), chunk({}, finish_reason="tool_calls")]

    stream = call_llm("What is the price?", tools=[TOOL], stream=True)
    list(stream)

    assert stream.response.tool_calls == CALLS


def test_the_first_of_several_streamed_choices_is_the_answer(server: ChatServer) -> None:
    def piece(index: int, text: str) -> dict[str, Any]:
        return chunk(choices=[{"index": index, "delta": {"content": text}, "finish_reason": None}])

    server.chunks = [piece(0, "12 "), piece(1, "13 "), piece(0, "EUR")]

    stream = call_llm("What is the price?", stream=True, parameters={"n": 2})
    list(stream)

    assert stream.response.text == "12 EUR"


def test_a_stream_that_is_left_is_recorded_as_partial(server: ChatServer) -> None:
    with call_llm("What is the price?", stream=True, training_metadata={}) as stream:
        for delta in stream:
            if delta.text:
                break

    assert only_record()["response_strong"] == "12 "
    assert only_record()["metadata"]["gleaner"]["partial"] is True


async def test_an_async_stream_is_recorded_with_its_usage(server: ChatServer) -> None:
    stream = await acall_llm("What is the price?", stream=True, training_metadata={})

    assert "".join([delta.text async for delta in stream]) == "12 EUR"
    assert only_record()["id"] == stream.response.example_id
    assert (only_record()["response_strong"], only_record()["output_tokens"]) == ("12 EUR", 3)


async def test_an_async_stream_that_is_left_is_recorded_as_partial(server: ChatServer) -> None:
    async with await acall_llm("What is the price?", stream=True, training_metadata={}) as stream:
        async for delta in stream:
            if delta.text:
                break

    assert only_record()["response_strong"] == "12 "
    assert only_record()["metadata"]["gleaner"]["partial"] is True


# --- Errors ------------------------------------------------------------------------------------------------------

ERRORS = [
    (401, openai.AuthenticationError),
    (404, openai.NotFoundError),
    (429, openai.RateLimitError),
    (500, openai.InternalServerError),
]


def ask() -> None:
    call_llm("What is the price?", training_metadata={})


def read_stream() -> None:
    list(call_llm("What is the price?", stream=True, training_metadata={}))


async def ask_and_wait() -> None:
    await acall_llm("What is the price?", training_metadata={})


async def read_async_stream() -> None:
    async for _ in await acall_llm("What is the price?", stream=True, training_metadata={}):
        pass


@pytest.mark.parametrize("call", [ask, read_stream])
@pytest.mark.parametrize(("status", "kind"), ERRORS)
def test_the_sdks_own_error_reaches_the_caller_and_leaves_no_example(
    server: ChatServer, status: int, kind: type[openai.APIStatusError], call: Callable[[], None]
) -> None:
    server.status, server.answer = status, error("Not today.", "some_error")

    with pytest.raises(kind, match=r"Not today\.") as raised:
        call()

    assert type(raised.value) is kind
    assert raised.value.status_code == status
    assert records() == []


@pytest.mark.parametrize("call", [ask_and_wait, read_async_stream])
@pytest.mark.parametrize(("status", "kind"), ERRORS)
async def test_the_sdks_own_error_reaches_who_awaits_and_leaves_no_example(
    server: ChatServer, status: int, kind: type[openai.APIStatusError], call: Callable[[], Awaitable[None]]
) -> None:
    server.status, server.answer = status, error("Not today.", "some_error")

    with pytest.raises(kind, match=r"Not today\.") as raised:
        await call()

    assert type(raised.value) is kind
    assert records() == []


@pytest.mark.parametrize("answer", [{}, {"choices": []}, {"choices": None}, error("Not today.", "some_error")])
def test_an_answer_without_choices_is_an_error_and_leaves_no_example(server: ChatServer, answer: object) -> None:
    server.answer = answer

    with pytest.raises(UnexpectedAnswer, match="without a choice"):
        ask()

    assert records() == []


async def test_an_awaited_answer_without_choices_is_an_error_and_leaves_no_example(server: ChatServer) -> None:
    server.answer = {"choices": []}

    with pytest.raises(UnexpectedAnswer, match="without a choice"):
        await ask_and_wait()

    assert records() == []


def test_an_error_within_a_stream_reaches_the_caller_and_leaves_no_example(server: ChatServer) -> None:
    server.chunks = [*STREAM[:2], error("Overloaded.", "server_error")]

    with pytest.raises(openai.APIError, match="Overloaded"):
        read_stream()

    assert records() == []


def test_a_stream_that_breaks_off_is_an_error_and_leaves_no_example(server: ChatServer) -> None:
    server.chunks, server.breaks_off = STREAM[:2], True

    with pytest.raises(openai.APIConnectionError):
        read_stream()

    assert records() == []


def test_nobody_listening_is_the_sdks_connection_error(server: ChatServer, capture: Callable[..., None]) -> None:
    backend = "capture_app.providers.openai_compatible.OpenAICompatibleProvider"
    options = {"base_url": "http://127.0.0.1:1/v1", "api_key": "k", "max_retries": 0}
    capture(PROVIDERS={"nobody": {"BACKEND": backend, "OPTIONS": options}}, DEFAULT_PROVIDER="nobody")

    with pytest.raises(openai.APIConnectionError):
        ask()

    assert records() == []
