"""The Responses API in chat's terms, from the SDK's own objects and from odd ones."""

from types import SimpleNamespace
from typing import Any

import pytest

from capture_app.exceptions import UnexpectedAnswer
from capture_app.openai_api.responses import completion_from, delta_from, request_from
from capture_app.providers.base import CompletionBuilder, CompletionRequest, ToolCallDelta
from tests.integration.openai_answers import (
    CALL_ITEM,
    MESSAGE_ITEM,
    MODEL,
    REASONING_ITEM,
    REFUSAL_ITEM,
    call_events,
    response,
    text_events,
)

FACTS: Any = {"request_id": "req-1", "retries": 1}
URL = "data:image/png;base64,AAAA"


def ask(**body: Any) -> CompletionRequest:
    return request_from({"model": "small-1", **body})


def messages(*items: Any) -> list[Any]:
    return list(ask(input=list(items)).messages)


# --- Questions ---------------------------------------------------------------------------------------------------


def test_a_text_is_the_users_message() -> None:
    request = ask(input="What is the price?")

    assert (request.model, request.messages) == ("small-1", [{"role": "user", "content": "What is the price?"}])


def test_instructions_are_the_system_prompt() -> None:
    assert ask(input="x", instructions="Be brief.").messages[0] == {"role": "system", "content": "Be brief."}


def test_a_single_text_part_is_its_text() -> None:
    part = {"type": "input_text", "text": "x"}

    assert messages({"role": "user", "content": [part]}) == [{"role": "user", "content": "x"}]


def test_parts_have_chats_names() -> None:
    content = [
        {"type": "input_text", "text": "x"},
        {"type": "output_text", "text": "y", "annotations": []},
        {"type": "input_image", "image_url": URL, "detail": "low"},
        {"type": "input_file", "filename": "a.pdf", "file_data": URL},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    ]

    [message] = messages({"role": "user", "type": "message", "content": content})

    assert message["content"] == [
        {"type": "text", "text": "x"},
        {"type": "text", "text": "y"},
        {"type": "image_url", "image_url": {"url": URL, "detail": "low"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": URL}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    ]


def test_calls_and_their_results_are_chats() -> None:
    call, result = messages(
        {"type": "function_call", "call_id": "c1", "name": "price", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "12"}]},
    )

    assert call["tool_calls"] == [{"id": "c1", "type": "function", "function": {"name": "price", "arguments": "{}"}}]
    assert result == {"role": "tool", "tool_call_id": "c1", "content": "12"}


def test_what_chat_has_no_word_for_is_kept_as_a_part() -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "..."}

    assert messages(item) == [{"role": "assistant", "content": [item]}]


def test_functions_and_formats_have_chats_form() -> None:
    request = ask(
        input="x",
        tools=[{"type": "function", "name": "price", "parameters": {}}, {"type": "web_search"}],
        text={"format": {"type": "json_schema", "name": "answer", "schema": {}}, "verbosity": "low"},
    )

    assert request.tools == [
        {"type": "function", "function": {"name": "price", "parameters": {}}},
        {"type": "web_search"},
    ]
    assert request.response_format == {"type": "json_schema", "json_schema": {"name": "answer", "schema": {}}}


def test_the_rest_are_parameters() -> None:
    request = ask(input="x", temperature=0, previous_response_id="resp_0", stream=True, top_p=None)

    assert request.parameters == {"temperature": 0, "previous_response_id": "resp_0"}


# --- Answers -----------------------------------------------------------------------------------------------------


def test_a_whole_answer() -> None:
    found = completion_from(response(REASONING_ITEM, MESSAGE_ITEM, CALL_ITEM))

    assert (found.text, found.model, found.response_id) == ("12 EUR", MODEL, "resp_1")
    assert [call["function"]["name"] for call in found.tool_calls] == ["price"]
    assert found.finish_reason == "tool_calls"


def test_a_refusal_is_the_answer() -> None:
    assert completion_from(response(REFUSAL_ITEM)).text == "I must not say."


@pytest.mark.parametrize(
    ("reason", "expected"), [("max_output_tokens", "length"), ("content_filter", "content_filter"), (None, "stop")]
)
def test_why_it_stopped(reason: str | None, expected: str) -> None:
    details = SimpleNamespace(reason=reason)

    assert (
        completion_from(response(MESSAGE_ITEM, status="incomplete", incomplete_details=details)).finish_reason
        == expected
    )


@pytest.mark.parametrize("status", ["failed", "in_progress", "cancelled", "queued"])
def test_what_is_no_answer_is_said(status: str) -> None:
    with pytest.raises(UnexpectedAnswer, match=status):
        completion_from(response(MESSAGE_ITEM, status=status))


@pytest.mark.parametrize("answer", ["text", None, 7, SimpleNamespace()])
def test_what_is_no_response_is_said(answer: Any) -> None:
    with pytest.raises(UnexpectedAnswer):
        completion_from(answer)


# --- Events ------------------------------------------------------------------------------------------------------


def built(events: list[Any]) -> Any:
    builder = CompletionBuilder()
    for event in events:
        builder.add(delta_from(event, **FACTS))
    return builder


def test_the_events_of_a_text_make_the_answer() -> None:
    found = built(text_events("12 ", "EUR")).build()

    assert (found.text, found.model, found.response_id, found.finish_reason) == ("12 EUR", MODEL, "resp_1", "stop")
    assert (found.request_id, found.retries) == ("req-1", 1)


def test_the_events_of_a_call_make_the_call() -> None:
    found = built(call_events()).build()

    assert [call["function"] for call in found.tool_calls] == [{"name": "price", "arguments": '{"sku":1}'}]
    assert found.tool_calls[0]["id"] == "c1"
    assert found.finish_reason == "tool_calls"


def test_what_http_told_comes_with_the_first_event() -> None:
    builder = built(text_events("12 ", "EUR")[:5])

    assert (builder.build().request_id, builder.build().retries) == ("req-1", 1)
    assert not builder.is_finished


def test_a_refusal_comes_in_pieces() -> None:
    event = SimpleNamespace(type="response.refusal.delta", delta="I must ")

    assert delta_from(event).text == "I must "


@pytest.mark.parametrize("kind", ["response.failed", "error"])
def test_a_stream_that_failed_is_said(kind: str) -> None:
    with pytest.raises(UnexpectedAnswer, match=kind):
        delta_from(SimpleNamespace(type=kind))


def test_an_event_that_nobody_knows_says_nothing() -> None:
    found = delta_from(SimpleNamespace(type="response.odd"))

    assert (found.text, list(found.tool_calls)) == ("", [])


def test_pieces_of_arguments_know_their_place() -> None:
    event = SimpleNamespace(type="response.function_call_arguments.delta", delta="{}", output_index=3)

    assert delta_from(event).tool_calls == [ToolCallDelta(index=3, arguments="{}")]
