"""Streams of call_llm and acall_llm: what passes through, and what is recorded of it."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest

from capture_app import acall_llm, call_llm
from capture_app.metrics import capture_failures_total
from capture_app.providers.base import StreamDelta, ToolCallDelta
from tests.unit.capture_app.captured import only_record, waiting_records
from tests.unit.capture_app.fake_providers import ServiceDown, scripted

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


# --- Odd deltas --------------------------------------------------------------------------------------------------

ODD: list[Any] = [
    StreamDelta(text=12),  # type: ignore[arg-type]  # what a provider must not send
    StreamDelta(text={"a": 1}),  # type: ignore[arg-type]  # what a provider must not send
    StreamDelta(text=["12"]),  # type: ignore[arg-type]  # what a provider must not send
    StreamDelta(tool_calls=[ToolCallDelta(index=0, arguments={"a": 1})]),  # type: ignore[arg-type]  # what a provider must not send
    StreamDelta(tool_calls=[ToolCallDelta(index="1"), ToolCallDelta(index=0)]),  # type: ignore[arg-type]  # what a provider must not send
    StreamDelta(tool_calls=[ToolCallDelta(index=[0])]),  # type: ignore[arg-type]  # what a provider must not send
    StreamDelta(tool_calls=7),  # type: ignore[arg-type]  # what a provider must not send
    StreamDelta(model=["m"], input_tokens="9", output_tokens={}),  # type: ignore[arg-type]  # what a provider must not send
    None,
    "text",
]
PRICES = {"scripted-1": {"input": 1, "output": 1}}


@pytest.mark.parametrize("odd", ODD, ids=[f"{odd}"[:60] for odd in ODD])
def test_an_odd_delta_reaches_the_caller_and_breaks_no_stream(capture: Callable[..., None], odd: Any) -> None:
    capture(**scripted(*PIECES[:2], odd, *PIECES[2:]), PRICES=PRICES)

    deltas = list(call_llm("What is the price?", stream=True, training_metadata={}))

    assert deltas == [*PIECES[:2], odd, *PIECES[2:]]


@pytest.mark.parametrize("odd", ODD, ids=[f"{odd}"[:60] for odd in ODD])
async def test_an_odd_delta_breaks_no_async_stream(capture: Callable[..., None], odd: Any) -> None:
    capture(**scripted(*PIECES[:2], odd, *PIECES[2:]), PRICES=PRICES)

    stream = await acall_llm("What is the price?", stream=True, training_metadata={})

    assert [delta async for delta in stream] == [*PIECES[:2], odd, *PIECES[2:]]


@pytest.mark.parametrize("odd", ODD, ids=[f"{odd}"[:60] for odd in ODD])
def test_an_odd_delta_breaks_neither_close_nor_drop(capture: Callable[..., None], odd: Any) -> None:
    capture(**scripted(PIECES[1], odd, *PIECES[2:]), PRICES=PRICES)

    stream = call_llm("What is the price?", stream=True, training_metadata={})
    next(stream), next(stream)
    stream.close()
    dropped = call_llm("What is the price?", stream=True, training_metadata={})
    next(dropped), next(dropped)
    del dropped
    gc.collect()


def test_what_cannot_be_understood_of_a_stream_is_counted(capture: Callable[..., None]) -> None:
    capture(**scripted(*PIECES[:2], StreamDelta(text={"a": 1})))  # type: ignore[arg-type]  # what a provider must not send

    list(call_llm("What is the price?", stream=True, training_metadata={}))

    assert sum(capture_failures_total().values()) == 1
    assert waiting_records() == []


@pytest.mark.usefixtures("streaming")
def test_a_capture_failure_breaks_no_stream(broken_spool: object) -> None:
    stream = call_llm("What is the price?", stream=True, training_metadata={})

    assert tuple(stream) == PIECES
    assert stream.response.example_id is None


def test_tool_calls_alone_are_something_to_learn_from(capture: Callable[..., None]) -> None:
    capture(**scripted(StreamDelta(tool_calls=[ToolCallDelta(index=0, id="c1", name="price", arguments="{}")])))

    list(call_llm("What is the price?", stream=True, training_metadata={}))

    assert is_partial(only_record())
