"""Questions of no shape the SDK knows are asked as they are."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.instrument.uses import ASK
from tests.integration.openai_answers import MESSAGE_ITEM, response, text_chat
from tests.integration.openai_server import ScriptedServer, json_reply
from tests.integration.side_by_side import assert_same

HOSTILE_BODIES: list[dict[str, Any]] = [
    {"model": None, "messages": []},
    {"model": 7, "messages": "What is the price?"},
    {"model": "small-1", "messages": [None]},
    {"model": "small-1", "messages": ["What is the price?"]},
    {"model": "small-1", "messages": [{"role": None, "content": None}]},
    {"model": "small-1", "messages": [{"role": "user", "content": 7}]},
    {"model": "small-1", "messages": [{"role": "user", "content": [None, 7, "text", {"type": None}]}]},
    {"model": "small-1", "messages": [{"role": "user", "content": {"type": "text"}}]},
    {"model": "small-1", "messages": [{"role": "user", "content": "x", "tool_calls": "odd"}]},
    {**ASK, "tools": {"odd": 1}},
    {**ASK, "tools": ["odd", None]},
    {**ASK, "response_format": "odd"},
    {**ASK, "temperature": "hot", "seed": [1]},
    {**ASK, "extra_body": {"messages": None}},
    {**ASK, "extra_body": {"messages": 7, "model": None, "tools": 7}},
    {**ASK, "extra_body": {"": None, "a": {"b": [1]}}},
]


@pytest.mark.parametrize("body", HOSTILE_BODIES, ids=[f"{body}"[:90] for body in HOSTILE_BODIES])
def test_a_hostile_question_is_asked_as_it_is(server: ScriptedServer, body: dict[str, Any]) -> None:
    def ask(client: Any) -> Iterator[Any]:
        yield client.chat.completions.create(**body)

    assert_same(server, ask, json_reply(text_chat()))


HOSTILE_INPUTS: list[dict[str, Any]] = [
    {"input": None},
    {"input": 7},
    {"input": [None]},
    {"input": ["odd"]},
    {"input": [{"role": "user", "content": None}]},
    {"input": [{"role": "user", "content": [None, 7, {"type": "input_image", "image_url": 7}]}]},
    {"input": [{"type": "function_call_output", "output": {"odd": 1}}]},
    {"input": [{"type": None}, {"type": 7}, {"type": ["odd"]}]},
    {"input": {"role": "user"}},
    {"input": "x", "instructions": ["odd"]},
    {"input": "x", "tools": "odd"},
    {"input": "x", "tools": [None, "odd"]},
    {"input": "x", "text": "odd"},
    {"input": "x", "text": {"format": "odd"}},
    {},
]


@pytest.mark.parametrize("body", HOSTILE_INPUTS, ids=[f"{body}"[:90] for body in HOSTILE_INPUTS])
def test_a_hostile_input_is_asked_as_it_is(server: ScriptedServer, body: dict[str, Any]) -> None:
    def ask(client: Any) -> Iterator[Any]:
        yield client.responses.create(model="small-1", **body)

    assert_same(server, ask, json_reply(response(MESSAGE_ITEM)))
