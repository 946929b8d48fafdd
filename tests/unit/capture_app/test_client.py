"""call_llm and acall_llm: what is asked, what is answered, what is recorded."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from capture_app import acall_llm, call_llm
from capture_app.exceptions import CaptureConfigurationError
from capture_app.inbox import get_inbox
from capture_app.providers import get_provider
from capture_app.providers.base import CompletionRequest, StreamDelta, ToolCallDelta
from capture_app.providers.offline import NOTICE
from tests.unit.capture_app.captured import only_record, waiting_records
from tests.unit.capture_app.fake_providers import ScriptedProvider, ServiceDown, scripted

TOOL = {"type": "function", "function": {"name": "price", "parameters": {"type": "object", "properties": {}}}}


def asked() -> CompletionRequest:
    """The one request that the scripted provider got."""
    provider = get_provider("scripted")
    assert isinstance(provider, ScriptedProvider)
    [request] = provider.requests
    return request


# --- What is captured --------------------------------------------------------------------------------------------


def test_an_answered_call_waits_in_the_inbox() -> None:
    response = call_llm("What is the price?", task="shop", training_metadata={})

    assert response.example_id is not None
    assert get_inbox().count_rows() == 1


def test_without_metadata_nothing_is_captured() -> None:
    assert call_llm("What is the price?").example_id is None
    assert get_inbox().count_rows() == 0


def test_the_response_names_its_example() -> None:
    response = call_llm("What is the price?", training_metadata={})

    assert only_record()["id"] == response.example_id


def test_question_and_answer_are_recorded() -> None:
    response = call_llm("What is the price?", system_prompt="Be brief.", training_metadata={})

    record = only_record()
    assert record["prompt_text"] == "What is the price?"
    assert record["system_prompt"] == "Be brief."
    assert record["response_strong"] == response.text
    assert response.text.startswith(NOTICE)


def test_the_figures_of_the_response_are_recorded() -> None:
    response = call_llm("What is the price?", training_metadata={})

    record = only_record()
    assert (record["input_tokens"], record["output_tokens"]) == (response.input_tokens, response.output_tokens)
    assert (record["provider"], record["model_name"]) == (response.provider, response.model)
    assert record["latency_ms"] == response.latency_ms
    assert record["metadata"]["gleaner"]["finish_reason"] == response.finish_reason == "stop"


def test_unknown_figures_are_null_and_not_zero(capture: Callable[..., None]) -> None:
    capture(**scripted(StreamDelta(text="12 EUR")))

    response = call_llm("What is the price?", training_metadata={})

    assert (response.input_tokens, response.output_tokens) == (None, None)
    assert (only_record()["input_tokens"], only_record()["output_tokens"]) == (None, None)


def test_a_plain_prompt_is_not_stored_twice() -> None:
    call_llm("What is the price?", system_prompt="Be brief.", training_metadata={})

    assert "messages" not in only_record()["metadata"]["gleaner"]


def test_a_conversation_is_kept_whole_beside_its_transcript() -> None:
    messages = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": "What is the price?"},
    ]

    call_llm(messages=messages, training_metadata={})

    assert only_record()["prompt_text"] == "user: Hello\n\nassistant: Hi\n\nuser: What is the price?"
    assert only_record()["metadata"]["gleaner"]["messages"] == messages


def test_tools_parameters_and_response_format_are_kept() -> None:
    call_llm(
        "What is the price?",
        tools=[TOOL],
        parameters={"temperature": 0},
        response_format={"type": "json_object"},
        training_metadata={},
    )

    kept = only_record()["metadata"]["gleaner"]
    assert kept["tools"] == [TOOL]
    assert kept["parameters"] == {"temperature": 0}
    assert kept["response_format"] == {"type": "json_object"}


def test_tool_calls_are_the_answer_when_there_is_no_text(capture: Callable[..., None]) -> None:
    pieces = [
        StreamDelta(tool_calls=[ToolCallDelta(index=0, id="c1", name="price", arguments='{"sku"')]),
        StreamDelta(
            tool_calls=[ToolCallDelta(index=0, arguments=":1}"), ToolCallDelta(index=1, id="c2", name="stock")]
        ),
    ]
    capture(**scripted(*pieces))

    response = call_llm("What is the price?", tools=[TOOL], training_metadata={})

    assert response.tool_calls == [
        {"id": "c1", "type": "function", "function": {"name": "price", "arguments": '{"sku":1}'}},
        {"id": "c2", "type": "function", "function": {"name": "stock", "arguments": ""}},
    ]
    assert orjson.loads(only_record()["response_strong"]) == response.tool_calls
    assert only_record()["metadata"]["gleaner"]["tool_calls"] == response.tool_calls


def test_the_model_that_answered_is_recorded_beside_the_one_that_was_asked(capture: Callable[..., None]) -> None:
    capture(**scripted(StreamDelta(text="12 EUR", model="scripted-1-2026-03-01")))

    assert call_llm("What is the price?", training_metadata={}).model == "scripted-1-2026-03-01"
    assert only_record()["model_name"] == "scripted-1-2026-03-01"
    assert only_record()["metadata"]["gleaner"]["requested_model"] == "scripted-1"


def test_a_model_that_the_provider_does_not_name_is_the_one_that_was_asked(capture: Callable[..., None]) -> None:
    capture(**scripted(StreamDelta(text="12 EUR")))

    assert call_llm("What is the price?", training_metadata={}).model == "scripted-1"
    assert only_record()["model_name"] == "scripted-1"


def test_a_capture_failure_does_not_break_the_call(broken_spool: object) -> None:
    response = call_llm("What is the price?", training_metadata={})

    assert response.text.startswith(NOTICE)
    assert response.example_id is None


# --- Tasks, routes and models ------------------------------------------------------------------------------------


def test_the_task_is_recorded() -> None:
    call_llm("What is the price?", task="shop", training_metadata={})

    assert only_record()["task"] == "shop"


def test_the_task_may_stand_in_the_metadata() -> None:
    call_llm("What is the price?", training_metadata={"task": "shop"})

    assert only_record()["task"] == "shop"
    assert "task" not in only_record()["metadata"]


def test_the_argument_wins_over_the_task_in_the_metadata() -> None:
    call_llm("What is the price?", task="shop", training_metadata={"task": "other"})

    assert only_record()["task"] == "shop"


def test_a_call_without_a_task_is_generic() -> None:
    call_llm("What is the price?", training_metadata={})

    assert only_record()["task"] == "generic"


def test_a_task_that_is_no_text_does_not_break_the_call() -> None:
    response = call_llm("What is the price?", training_metadata={"task": ["shop"]})

    assert response.text.startswith(NOTICE)
    assert only_record()["task"] == "['shop']"


def test_the_task_in_the_metadata_finds_its_route(capture: Callable[..., None]) -> None:
    capture(ROUTES={"shop": {"PROVIDER": "offline", "MODEL": "tuned"}})

    assert call_llm("What is the price?", training_metadata={"task": "shop"}).model == "tuned"


def test_an_alias_asks_the_model_behind_it(capture: Callable[..., None]) -> None:
    capture(ROUTES={"small": {"PROVIDER": "offline", "MODEL": "tuned-7"}})

    assert call_llm("What is the price?", model="small").model == "tuned-7"


def test_a_provider_that_is_not_configured_is_a_configuration_error(capture: Callable[..., None]) -> None:
    capture(DEFAULT_PROVIDER="gone")

    with pytest.raises(CaptureConfigurationError, match="no provider 'gone'"):
        call_llm("What is the price?")


# --- What the provider is asked ----------------------------------------------------------------------------------


def test_the_provider_gets_the_call_as_it_was_made(capture: Callable[..., None]) -> None:
    capture(**scripted(StreamDelta(text="12 EUR")))

    call_llm(
        "What is the price?",
        system_prompt="Be brief.",
        model="large",
        tools=[TOOL],
        response_format={"type": "json_object"},
        parameters={"temperature": 0},
    )

    request = asked()
    assert request.model == "large"
    assert request.messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is the price?"},
    ]
    assert request.tools == [TOOL]
    assert request.response_format == {"type": "json_object"}
    assert request.parameters == {"temperature": 0}


def test_nothing_of_the_metadata_reaches_the_provider(capture: Callable[..., None]) -> None:
    capture(**scripted(StreamDelta(text="12 EUR")))

    call_llm("What is the price?", training_metadata={"user_id": "secret-42"})

    assert "secret-42" not in str(asked())


def test_prompt_and_messages_together_are_refused() -> None:
    with pytest.raises(ValueError, match="not both"):
        call_llm("hello", messages=[{"role": "user", "content": "hello"}])


def test_a_call_that_is_refused_leaves_no_example() -> None:
    with pytest.raises(ValueError, match="not neither"):
        call_llm(training_metadata={})

    assert waiting_records() == []


# --- Errors of the provider --------------------------------------------------------------------------------------


def test_a_providers_error_is_raised_as_it_is(capture: Callable[..., None]) -> None:
    error = ServiceDown("try later")
    capture(**scripted(error=error))

    with pytest.raises(ServiceDown) as raised:
        call_llm("What is the price?", training_metadata={})

    assert raised.value is error


def test_a_failed_call_leaves_no_example(capture: Callable[..., None]) -> None:
    capture(**scripted(StreamDelta(text="12"), error=ServiceDown()))

    with pytest.raises(ServiceDown):
        call_llm("What is the price?", training_metadata={})

    assert waiting_records() == []


# --- Streams -----------------------------------------------------------------------------------------------------

PIECES = (
    StreamDelta(model="scripted-1", response_id="r1"),
    StreamDelta(text="12 "),
    StreamDelta(text="EUR"),
    StreamDelta(finish_reason="stop", input_tokens=4, output_tokens=2),
)


@pytest.fixture
def streaming(capture: Callable[..., None]) -> None:
    capture(**scripted(*PIECES))


def is_partial(record: dict[str, Any]) -> bool:
    return bool(record["metadata"]["gleaner"].get("partial", False))


@pytest.mark.usefixtures("streaming")
def test_a_stream_gives_the_providers_deltas() -> None:
    assert tuple(call_llm("What is the price?", stream=True)) == PIECES


@pytest.mark.usefixtures("streaming")
def test_a_stream_that_ended_has_the_whole_response() -> None:
    stream = call_llm("What is the price?", stream=True, training_metadata={})
    list(stream)

    assert stream.response.text == "12 EUR"
    assert (stream.response.input_tokens, stream.response.output_tokens) == (4, 2)
    assert stream.response.finish_reason == "stop"
    assert stream.response.example_id == only_record()["id"]


@pytest.mark.usefixtures("streaming")
def test_a_stream_that_ended_is_recorded_whole() -> None:
    list(call_llm("What is the price?", stream=True, training_metadata={}))

    record = only_record()
    assert record["response_strong"] == "12 EUR"
    assert (record["input_tokens"], record["output_tokens"]) == (4, 2)
    assert not is_partial(record)


@pytest.mark.usefixtures("streaming")
def test_a_stream_without_metadata_is_not_captured() -> None:
    stream = call_llm("What is the price?", stream=True)
    list(stream)

    assert stream.response.example_id is None
    assert waiting_records() == []


@pytest.mark.usefixtures("streaming")
def test_a_stream_that_goes_on_has_no_response_yet() -> None:
    stream = call_llm("What is the price?", stream=True)
    next(stream)

    with pytest.raises(RuntimeError, match="not ended"):
        _ = stream.response


@pytest.mark.usefixtures("streaming")
def test_a_stream_that_ended_stays_ended() -> None:
    stream = call_llm("What is the price?", stream=True, training_metadata={})
    list(stream)
    stream.close()

    assert list(stream) == []
    assert len(waiting_records()) == 1


@pytest.mark.usefixtures("streaming")
def test_a_closed_stream_is_recorded_as_partial() -> None:
    stream = call_llm("What is the price?", stream=True, training_metadata={})
    next(stream)
    next(stream)
    stream.close()

    assert only_record()["response_strong"] == "12 "
    assert is_partial(only_record())
    assert stream.response.text == "12 "


@pytest.mark.usefixtures("streaming")
def test_a_stream_left_by_break_is_recorded_as_partial_when_its_block_ends() -> None:
    with call_llm("What is the price?", stream=True, training_metadata={}) as stream:
        for delta in stream:
            if delta.text:
                break

    assert only_record()["response_strong"] == "12 "
    assert is_partial(only_record())


@pytest.mark.usefixtures("streaming")
def test_a_stream_dropped_without_close_is_recorded_as_partial() -> None:
    stream = call_llm("What is the price?", stream=True, training_metadata={})
    next(stream)
    next(stream)
    del stream
    gc.collect()

    assert only_record()["response_strong"] == "12 "
    assert is_partial(only_record())


@pytest.mark.usefixtures("streaming")
def test_a_stream_closed_before_any_text_leaves_no_example() -> None:
    with call_llm("What is the price?", stream=True, training_metadata={}) as stream:
        next(stream)

    assert waiting_records() == []


def test_an_interrupted_stream_is_recorded_as_partial(capture: Callable[..., None]) -> None:
    capture(**scripted(StreamDelta(text="12 "), error=KeyboardInterrupt()))

    with pytest.raises(KeyboardInterrupt):
        list(call_llm("What is the price?", stream=True, training_metadata={}))

    assert is_partial(only_record())


def test_a_stream_that_was_cut_off_is_recorded_as_partial(capture: Callable[..., None]) -> None:
    capture(**scripted(StreamDelta(text="The price is")))  # and never a reason to end

    list(call_llm("What is the price?", stream=True, training_metadata={}))

    assert is_partial(only_record())


@pytest.mark.parametrize("pieces", [(), PIECES[:2]], ids=["before the first delta", "mid-stream"])
def test_a_providers_error_in_a_stream_is_raised_as_it_is(
    capture: Callable[..., None], pieces: tuple[StreamDelta, ...]
) -> None:
    error = ServiceDown("try later")
    capture(**scripted(*pieces, error=error))

    with pytest.raises(ServiceDown) as raised:
        list(call_llm("What is the price?", stream=True, training_metadata={}))

    assert raised.value is error


@pytest.mark.parametrize("pieces", [(), PIECES[:2]], ids=["before the first delta", "mid-stream"])
def test_a_stream_that_failed_leaves_no_example(capture: Callable[..., None], pieces: tuple[StreamDelta, ...]) -> None:
    capture(**scripted(*pieces, error=ServiceDown()))

    with (
        pytest.raises(ServiceDown),
        call_llm("What is the price?", stream=True, training_metadata={}) as stream,
    ):
        list(stream)

    del stream
    gc.collect()
    assert waiting_records() == []


# --- Async -------------------------------------------------------------------------------------------------------


async def test_an_awaited_call_is_recorded() -> None:
    response = await acall_llm("What is the price?", task="shop", training_metadata={})

    assert only_record()["id"] == response.example_id
    assert only_record()["response_strong"] == response.text
    assert only_record()["task"] == "shop"


async def test_an_awaited_call_without_metadata_is_not_captured() -> None:
    assert (await acall_llm("What is the price?")).example_id is None
    assert waiting_records() == []


async def test_a_providers_error_in_an_awaited_call_is_raised_as_it_is(capture: Callable[..., None]) -> None:
    error = ServiceDown("try later")
    capture(**scripted(error=error))

    with pytest.raises(ServiceDown) as raised:
        await acall_llm("What is the price?", training_metadata={})

    assert raised.value is error
    assert waiting_records() == []


async def test_an_awaited_call_that_is_cancelled_leaves_no_example(capture: Callable[..., None]) -> None:
    capture(**scripted(hangs=True))
    task = asyncio.create_task(acall_llm("What is the price?", training_metadata={}))
    await asyncio.sleep(0)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert waiting_records() == []


@pytest.mark.usefixtures("streaming")
async def test_an_async_stream_gives_the_providers_deltas() -> None:
    stream = await acall_llm("What is the price?", stream=True)

    assert tuple([delta async for delta in stream]) == PIECES


@pytest.mark.usefixtures("streaming")
async def test_an_async_stream_that_ended_is_recorded_whole() -> None:
    stream = await acall_llm("What is the price?", stream=True, training_metadata={})
    async for _ in stream:
        pass

    assert stream.response.example_id == only_record()["id"]
    assert only_record()["response_strong"] == "12 EUR"
    assert not is_partial(only_record())


@pytest.mark.usefixtures("streaming")
async def test_an_async_stream_left_early_is_recorded_as_partial() -> None:
    async with await acall_llm("What is the price?", stream=True, training_metadata={}) as stream:
        async for delta in stream:
            if delta.text:
                break

    assert only_record()["response_strong"] == "12 "
    assert is_partial(only_record())
    assert [delta async for delta in stream] == []


@pytest.mark.usefixtures("streaming")
async def test_an_async_stream_dropped_without_close_is_recorded_as_partial() -> None:
    stream = await acall_llm("What is the price?", stream=True, training_metadata={})
    await anext(stream)
    await anext(stream)
    del stream
    gc.collect()

    assert only_record()["response_strong"] == "12 "
    assert is_partial(only_record())


async def test_a_cancelled_task_leaves_what_it_had_read_as_partial(capture: Callable[..., None]) -> None:
    capture(**scripted(StreamDelta(text="12 "), hangs=True))
    first_delta_came = asyncio.Event()

    async def read() -> None:
        async for _ in await acall_llm("What is the price?", stream=True, training_metadata={}):
            first_delta_came.set()

    task = asyncio.create_task(read())
    await first_delta_came.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert only_record()["response_strong"] == "12 "
    assert is_partial(only_record())


@pytest.mark.parametrize("pieces", [(), PIECES[:2]], ids=["before the first delta", "mid-stream"])
async def test_a_providers_error_in_an_async_stream_is_raised_as_it_is(
    capture: Callable[..., None], pieces: tuple[StreamDelta, ...]
) -> None:
    error = ServiceDown("try later")
    capture(**scripted(*pieces, error=error))

    with pytest.raises(ServiceDown) as raised:
        async for _ in await acall_llm("What is the price?", stream=True, training_metadata={}):
            pass

    assert raised.value is error
    assert waiting_records() == []
