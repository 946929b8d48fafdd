"""OpenAI's files: fine-tuning data, stored completions, batches."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from training_archive.importing.reading import Result

Read = Callable[..., list[Result]]
Write = Callable[..., Path]

CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
QUESTION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What does it cost?"}]


def completion(**values: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1767268800,
        "model": "gpt-5-mini-2026-01-01",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "5 EUR"}, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 20,
            "completion_tokens": 3,
            "prompt_tokens_details": {"cached_tokens": 8},
            "completion_tokens_details": {"reasoning_tokens": 1},
        },
        **values,
    }


def batch_line(**values: Any) -> dict[str, Any]:
    return {"id": "batch_req_1", "custom_id": "one", "response": {"status_code": 200, "body": completion()}, **values}


def example_of(result: Result) -> Any:
    assert result.example is not None, result.problem
    return result.example


def test_the_last_message_of_fine_tuning_data_is_the_answer(read: Read, write_lines: Write) -> None:
    [result] = read(write_lines({"messages": [*QUESTION, {"role": "assistant", "content": "5 EUR"}]}))

    found = example_of(result)
    assert (found.system_prompt, found.prompt_text, found.response_strong) == (
        "Be brief.",
        "What does it cost?",
        "5 EUR",
    )
    assert (found.provider, found.model_name) == ("unknown", "unknown")
    assert "messages" not in found.metadata["gleaner"]


def test_earlier_turns_and_tools_are_kept(read: Read, write_lines: Write) -> None:
    asked = [*QUESTION, {"role": "assistant", "content": "Which?"}, {"role": "user", "content": "The red one."}]
    record = {"messages": [*asked, {"role": "assistant", "tool_calls": [CALL]}], "tools": [TOOL]}

    [result] = read(write_lines(record))

    found = example_of(result)
    reserved = found.metadata["gleaner"]
    assert (reserved["messages"], reserved["tools"], reserved["tool_calls"]) == (asked, [TOOL], [CALL])
    assert found.response_strong.startswith('[{"id":"call_1"')


def test_the_same_record_is_the_same_example_whatever_its_order(read: Read, write_lines: Write) -> None:
    record = {"messages": [*QUESTION, {"role": "assistant", "content": "5 EUR"}], "tools": []}

    first, second = read(write_lines(record, dict(reversed(record.items()))))

    assert example_of(first).id == example_of(second).id


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ({"messages": QUESTION}, "its last message is not the assistant's"),
        ({"messages": []}, "its last message is not the assistant's"),
        ({"messages": "no"}, "its messages are no list"),
        ({"messages": [{"content": "x"}]}, "a message is no object with a role"),
        ({"messages": [{"role": "assistant", "content": "alone"}]}, "it has no prompt"),
        ({"messages": [*QUESTION, {"role": "assistant", "content": ""}]}, "it has no answer"),
        ({"messages": [*QUESTION, {"role": "assistant", "tool_calls": "x"}]}, "its tool calls are malformed"),
        ({"messages": [*QUESTION, {"role": "assistant", "content": "x"}], "tools": [1]}, "its tools are malformed"),
        (
            {"input": {"messages": QUESTION}, "preferred_output": []},
            "its preferred output does not end with a message of the assistant",
        ),
        ({"preferred_output": [{"role": "assistant", "content": "x"}]}, "its messages are no list"),
        ({"other": 1}, "it has no messages"),
        (completion(), "it holds no prompt"),
        (completion(messages=QUESTION, choices=[]), "it has no answer"),
        (completion(messages=QUESTION, created="soon"), "its time is none"),
        (batch_line(), "its request is not known; name the batch's input with --requests"),
        (batch_line(response={"status_code": 500}), "the request failed, so there is no answer"),
    ],
)
def test_what_is_no_answered_call_is_refused(
    read: Read, write_lines: Write, record: dict[str, Any], problem: str
) -> None:
    [result] = read(write_lines(record), "openai-chat")

    assert result.problem == problem


def test_a_stored_completion_brings_its_figures(read: Read, write_lines: Write) -> None:
    [result] = read(write_lines(completion(messages=QUESTION, metadata={"user_id": "u1"})))

    found = example_of(result)
    assert (found.provider, found.model_name, found.input_tokens, found.output_tokens) == (
        "openai",
        "gpt-5-mini-2026-01-01",
        20,
        3,
    )
    assert found.created_at == datetime(2026, 1, 1, 12, tzinfo=UTC)
    reserved = found.metadata["gleaner"]
    assert (reserved["cached_input_tokens"], reserved["reasoning_tokens"], reserved["user_id"]) == (8, 1, "u1")
    assert (reserved["finish_reason"], reserved["imported_from"]["id"]) == ("stop", "chatcmpl-1")


def test_each_choice_is_an_example(read: Read, write_lines: Write) -> None:
    choices = [{"message": {"role": "assistant", "content": text}} for text in ("5 EUR", "6 EUR")]

    first, second = read(write_lines(completion(messages=QUESTION, choices=choices)))

    assert (example_of(first).response_strong, example_of(second).response_strong) == ("5 EUR", "6 EUR")
    assert example_of(first).id != example_of(second).id


def test_a_batchs_output_is_joined_with_its_input(read: Read, write_lines: Write) -> None:
    body = {"model": "gpt-5-mini", "messages": QUESTION, "temperature": 0.2, "tools": [TOOL]}
    requests = write_lines({"custom_id": "one", "method": "POST", "body": body}, name="input.jsonl")

    [result] = read(write_lines(batch_line()), requests=requests)

    found = example_of(result)
    reserved = found.metadata["gleaner"]
    assert (found.prompt_text, found.response_strong) == ("What does it cost?", "5 EUR")
    assert (reserved["parameters"], reserved["tools"]) == ({"temperature": 0.2}, [TOOL])
    assert reserved["imported_from"]["custom_id"] == "one"


def test_of_a_preference_the_preferred_answer_is_read_and_the_other_noted(read: Read, write_lines: Write) -> None:
    other = [{"role": "assistant", "content": "Ask elsewhere."}]
    preferred = [{"role": "assistant", "content": "5 EUR"}]
    record = {
        "input": {"messages": QUESTION, "tools": [TOOL], "parallel_tool_calls": False},
        "preferred_output": preferred,
        "non_preferred_output": other,
    }

    [result] = read(write_lines(record))

    found = example_of(result)
    reserved = found.metadata["gleaner"]
    assert (found.prompt_text, found.response_strong) == ("What does it cost?", "5 EUR")
    assert (reserved["tools"], reserved["parameters"]) == ([TOOL], {"parallel_tool_calls": False})
    assert reserved["imported_from"]["other"] == {"non_preferred_output": other}


def test_what_people_said_of_a_record_goes_where_exports_look(read: Read, write_lines: Write) -> None:
    said = {"rating": 4, "tags": ["good"], "correction": "6 EUR"}
    record = {"messages": [*QUESTION, {"role": "assistant", "content": "5 EUR"}], **said, "other": 1}

    [result] = read(write_lines(record))

    metadata = example_of(result).metadata
    assert {name: metadata[name] for name in said} == said
    assert metadata["gleaner"]["imported_from"]["other"] == {"other": 1}
