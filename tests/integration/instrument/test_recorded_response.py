"""What `instrument` records of a response, whole or streamed."""

from typing import Any

import pytest

from tests.integration.instrument.uses import QUESTION
from tests.integration.openai_answers import (
    CALL_ITEM,
    MESSAGE_ITEM,
    MODEL,
    REASONING_ITEM,
    REFUSAL_ITEM,
    TOOL_CALL,
    call_events,
    response,
    text_events,
)
from tests.integration.openai_server import ScriptedServer, json_reply, sse_bytes, sse_reply
from tests.integration.side_by_side import facts, only_record, records

pytestmark = pytest.mark.usefixtures("no_failures")


def test_the_columns_and_facts_of_a_response(server: ScriptedServer, client: Any) -> None:
    server.replies = [json_reply(response(REASONING_ITEM, MESSAGE_ITEM))]

    client.responses.create(model="small-1", input="What is the price?", instructions="Be brief.", temperature=0)

    record = only_record()
    assert (record["system_prompt"], record["prompt_text"]) == ("Be brief.", "What is the price?")
    assert (record["response_strong"], record["model_name"]) == ("12 EUR", MODEL)
    assert (record["input_tokens"], record["output_tokens"]) == (1000, 50)
    assert facts() == {
        "parameters": {"temperature": 0},
        "requested_model": "small-1",
        "finish_reason": "stop",
        "response_id": "resp_1",
        "request_id": "req-1",
        "cached_input_tokens": 900,
        "reasoning_tokens": 40,
    }


def test_a_response_that_calls_a_function(server: ScriptedServer, client: Any) -> None:
    server.replies = [json_reply(response(REASONING_ITEM, CALL_ITEM))]
    tool = {"type": "function", "name": "price", "parameters": {}, "strict": True}

    client.responses.create(model="small-1", input="What is the price?", tools=[tool])

    assert facts()["tools"] == [{"type": "function", "function": {"name": "price", "parameters": {}, "strict": True}}]
    assert facts()["tool_calls"] == [TOOL_CALL]
    assert facts()["finish_reason"] == "tool_calls"


def test_a_response_that_refuses(server: ScriptedServer, client: Any) -> None:
    server.replies = [json_reply(response(REFUSAL_ITEM))]

    client.responses.create(model="small-1", input="What is the price?")

    assert only_record()["response_strong"] == "I must not say."


def test_a_response_that_was_cut_short_says_why(server: ScriptedServer, client: Any) -> None:
    details = {"reason": "max_output_tokens"}
    server.replies = [json_reply(response(MESSAGE_ITEM, status="incomplete", incomplete_details=details))]

    client.responses.create(model="small-1", input="What is the price?")

    assert facts()["finish_reason"] == "length"


@pytest.mark.parametrize("status", ["failed", "cancelled", "queued", "in_progress"])
def test_a_response_without_an_answer_leaves_no_example(server: ScriptedServer, client: Any, status: str) -> None:
    server.replies = [json_reply(response(status=status))]

    client.responses.create(model="small-1", input="What is the price?")

    assert records() == []


def test_turns_of_responses_are_kept_in_chats_form(server: ScriptedServer, client: Any) -> None:
    server.replies = [json_reply(response(REASONING_ITEM, CALL_ITEM))]
    given: list[Any] = [{"role": "user", "content": [{"type": "input_text", "text": "What is the price?"}]}]
    given += client.responses.create(model="small-1", input=given).output
    given.append({"type": "function_call_output", "call_id": "c1", "output": "12"})

    client.responses.create(model="small-1", input=given, previous_response_id="resp_0")

    [_, second] = records()
    user, reasoning, call, result = second["metadata"]["gleaner"]["messages"]
    assert user == QUESTION
    assert reasoning["content"][0]["summary"] == [{"text": "Looked at the tag.", "type": "summary_text"}]
    assert call == {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]}
    assert result == {"role": "tool", "tool_call_id": "c1", "content": "12"}
    assert second["metadata"]["gleaner"]["parameters"] == {"previous_response_id": "resp_0"}


def test_a_streamed_response_has_the_facts_of_a_whole_one(server: ScriptedServer, client: Any) -> None:
    server.replies = [sse_reply(sse_bytes(text_events("12 ", "€"), named=True, is_done=False), every=1)]

    list(client.responses.create(model="small-1", input="What is the price?", stream=True))

    record = only_record()
    assert (record["response_strong"], record["model_name"], record["input_tokens"]) == ("12 €", MODEL, 1000)
    assert (facts()["finish_reason"], facts()["response_id"], facts()["request_id"]) == ("stop", "resp_1", "req-1")
    assert facts()["time_to_first_token_ms"] >= 0
    assert "partial" not in facts()


def test_a_streamed_response_that_calls_a_function(server: ScriptedServer, client: Any) -> None:
    server.replies = [sse_reply(sse_bytes(call_events(), named=True, is_done=False))]

    with client.responses.stream(model="small-1", input="What is the price?") as events:
        list(events)

    assert facts()["tool_calls"] == [TOOL_CALL]
    assert facts()["finish_reason"] == "tool_calls"


def test_a_custom_tools_call_in_a_response_is_recorded(server: ScriptedServer, client: Any) -> None:
    item = {"type": "custom_tool_call", "id": "ct_1", "call_id": "c1", "name": "sql", "input": "SELECT 1"}
    server.replies = [json_reply({**response().model_dump(mode="json", exclude_unset=True), "output": [item]})]

    client.responses.create(model="small-1", input="How many?")

    assert "SELECT 1" in only_record()["response_strong"]
