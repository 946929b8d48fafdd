"""Responses of no shape the SDK knows reach the caller as they are."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.instrument.uses import respond, respond_streamed
from tests.integration.openai_answers import MESSAGE_ITEM, response, text_events
from tests.integration.openai_server import ScriptedServer, json_reply, sse_bytes, sse_reply
from tests.integration.side_by_side import assert_same

PRICES = {"small-1": {"input": 0.15, "output": 0.6}, "small-1-2026-03-01": {"input": 0.15, "output": 0.6}}
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
