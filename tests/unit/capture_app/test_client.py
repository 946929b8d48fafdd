"""call_llm and acall_llm: what is asked, what is answered, what is recorded."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from capture_app import acall_llm, call_llm
from capture_app.exceptions import CaptureConfigurationError
from capture_app.inbox import get_inbox
from capture_app.providers import get_provider
from capture_app.providers.base import Completion, CompletionRequest, StreamDelta, ToolCallDelta
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


# --- Odd answers and odd questions -------------------------------------------------------------------------------

ODD: list[dict[str, Any]] = [
    {"text": 12},
    {"text": {"a": 1}},
    {"text": "x", "model": ["m"]},
    {"text": "x", "input_tokens": "9", "output_tokens": 2.5},
    {"text": "x", "finish_reason": {"why": 1}},
    {"text": "x", "tool_calls": [{"id": object()}]},
    {"text": "\ud83d"},
]


class OddProvider(ScriptedProvider):
    """Answers with a Completion of wrong types."""

    def __init__(self, **fields: Any) -> None:
        super().__init__()
        self._fields = fields

    def complete(self, request: CompletionRequest) -> Completion:
        return Completion(**{"model": "odd-1", **self._fields})


@pytest.mark.parametrize("fields", ODD)
def test_an_answer_of_wrong_types_reaches_the_caller(capture: Callable[..., None], fields: dict[str, Any]) -> None:
    backend = f"{__name__}.{OddProvider.__name__}"
    prices = {"odd-1": {"input": 1, "output": 1}}
    capture(PROVIDERS={"odd": {"BACKEND": backend, "OPTIONS": fields}}, DEFAULT_PROVIDER="odd", PRICES=prices)

    assert call_llm("What is the price?", training_metadata={}).text == fields["text"]


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": None, "content": None}],
        [{"content": 7}],
        [{"role": "user", "content": [None, 7, {"type": None}, {"text": 7}]}],
        [{"role": "user", "content": {"a": 1}}],
        [{"role": "user", "content": "x", "tool_calls": "odd"}],
        [{}],
    ],
)
def test_an_odd_question_is_recorded_as_far_as_it_goes(capture: Callable[..., None], messages: Any) -> None:
    capture(**scripted(StreamDelta(text="12 EUR")))

    response = call_llm(messages=messages, training_metadata={})

    assert (response.text, response.example_id) == ("12 EUR", only_record()["id"])
