"""What `instrument` records of tools, of the calls that a model makes of them, and of the turns that follow."""

import warnings
from typing import Any

import openai
import orjson
import pytest

from tests.integration.instrument.uses import ASK, QUESTION, TOOL, Price
from tests.integration.openai_answers import SECOND_TOOL_CALL, TOOL_CALL, TOOL_CHUNKS, chat, choice, chunks_of
from tests.integration.openai_server import ScriptedServer, json_reply, sse_bytes, sse_reply
from tests.integration.side_by_side import facts, only_record, records

pytestmark = pytest.mark.usefixtures("no_failures")


def test_tools_and_their_calls_are_recorded(server: ScriptedServer, client: Any) -> None:
    server.replies = [json_reply(chat(choice(tool_calls=[TOOL_CALL, SECOND_TOOL_CALL], finish_reason="tool_calls")))]

    client.chat.completions.create(**ASK, tools=[TOOL])

    assert facts()["tools"] == [TOOL]
    assert facts()["tool_calls"] == orjson.loads(only_record()["response_strong"]) == [TOOL_CALL, SECOND_TOOL_CALL]


def test_streamed_tool_calls_are_put_together(server: ScriptedServer, client: Any) -> None:
    server.replies = [sse_reply(sse_bytes(TOOL_CHUNKS), every=5)]

    list(client.chat.completions.create(**ASK, tools=[TOOL], stream=True))

    assert facts()["tool_calls"] == [TOOL_CALL, SECOND_TOOL_CALL]
    assert facts()["finish_reason"] == "tool_calls"


def test_parsed_tool_calls_are_recorded_as_they_were_sent(server: ScriptedServer, client: Any) -> None:
    server.replies = [json_reply(chat(choice(tool_calls=[TOOL_CALL], finish_reason="tool_calls")))]

    client.chat.completions.parse(**ASK, tools=[openai.pydantic_function_tool(Price, name="price")])

    assert facts()["tool_calls"] == [TOOL_CALL]


def test_a_custom_tools_call_is_recorded(server: ScriptedServer, client: Any) -> None:
    call = {"id": "c1", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}
    server.replies = [json_reply(chat(choice(tool_calls=[call], finish_reason="tool_calls")))]

    client.chat.completions.create(**ASK)

    assert facts()["tool_calls"] == [call]


def test_arguments_that_are_no_text_are_recorded_without_a_warning(server: ScriptedServer, client: Any) -> None:
    """As some servers send them."""
    call = {"id": "c1", "type": "function", "function": {"name": "price", "arguments": {"sku": 1}}}
    body = chat(choice(tool_calls=[TOOL_CALL], finish_reason="tool_calls")).model_dump(mode="json", exclude_unset=True)
    body["choices"][0]["message"]["tool_calls"] = [call]
    server.replies = [json_reply(body)]

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        client.chat.completions.create(**ASK)

    assert [str(each.message) for each in warned] == []
    assert facts()["tool_calls"] == [call]


def test_the_call_of_a_legacy_function_is_the_answer(server: ScriptedServer, client: Any) -> None:
    call = {"name": "price", "arguments": '{"sku":1}'}
    server.replies = [json_reply(chat(choice(function_call=call, finish_reason="function_call")))]

    client.chat.completions.create(**ASK, functions=[TOOL["function"]])

    assert facts()["parameters"]["functions"] == [TOOL["function"]]
    assert "price" in only_record()["response_strong"]


def test_the_streamed_call_of_a_legacy_function_is_the_answer(server: ScriptedServer, client: Any) -> None:
    pieces = [{"function_call": {"name": "price", "arguments": ""}}, {"function_call": {"arguments": '{"sku":1}'}}]
    server.replies = [sse_reply(sse_bytes(chunks_of(*pieces, finish_reason="function_call")))]

    list(client.chat.completions.create(**ASK, functions=[TOOL["function"]], stream=True))

    assert "price" in only_record()["response_strong"]


def test_turns_with_tool_calls_and_results_are_kept_whole(server: ScriptedServer, client: Any) -> None:
    server.replies = [json_reply(chat(choice(tool_calls=[TOOL_CALL], finish_reason="tool_calls")))]
    messages: list[Any] = [QUESTION]
    messages.append(client.chat.completions.create(model="small-1", messages=messages).choices[0].message)
    messages.append({"role": "tool", "tool_call_id": "c1", "content": "12"})

    client.chat.completions.create(model="small-1", messages=messages)

    [_, second] = records()
    assert [message["role"] for message in second["metadata"]["gleaner"]["messages"]] == ["user", "assistant", "tool"]
    assert second["metadata"]["gleaner"]["messages"][1]["tool_calls"] == [TOOL_CALL]
    assert second["prompt_text"].endswith("tool: 12")
