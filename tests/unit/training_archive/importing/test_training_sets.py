"""Training sets of TRL and ShareGPT."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from training_archive.exports.formats.sharegpt import ShareGPT
from training_archive.exports.formats.trl import TRLPromptCompletion
from training_archive.importing.reading import IdOf, Result

Read = Callable[..., list[Result]]
Write = Callable[..., Path]

CALL = {"id": "call_1_0", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
ASKED: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Add."},
    {"role": "assistant", "content": None, "tool_calls": [{**CALL, "id": "call_2_0"}]},
    {"role": "tool", "tool_call_id": "call_2_0", "content": "2"},
]


def example_of(result: Result) -> Any:
    assert result.example is not None, result.problem
    return result.example


def test_a_text_and_its_completion(read: Read, write_lines: Write) -> None:
    [result] = read(write_lines({"prompt": "What?", "completion": "That.", "system": "Be brief.", "n": 1}))

    found = example_of(result)
    assert (found.system_prompt, found.prompt_text, found.response_strong) == ("Be brief.", "What?", "That.")
    assert found.metadata["gleaner"]["imported_from"]["format"] == "prompt-completion"
    assert found.metadata["gleaner"]["imported_from"]["other"] == {"n": 1}
    assert result.id_of is IdOf.NOBODY


@pytest.mark.parametrize("format_", [TRLPromptCompletion, ShareGPT])
def test_our_own_exports_come_back(read: Read, write_lines: Write, format_: Any) -> None:
    metadata = {"gleaner": {"messages": ASKED, "tools": [TOOL]}}
    stored = {"system_prompt": "Be brief.", "prompt_text": "x", "response_strong": "It is 2.", "metadata": metadata}

    [result] = read(write_lines(format_.fields(object.__new__(format_), stored)))

    found = example_of(result)
    reserved = found.metadata["gleaner"]
    assert found.response_strong == "It is 2."
    assert [message["role"] for message in reserved["messages"]] == [message["role"] for message in ASKED]
    assert reserved["messages"][2]["tool_calls"][0]["function"] == CALL["function"]
    assert reserved["tools"] == [TOOL]


def test_turns_of_human_and_gpt(read: Read, write_lines: Write) -> None:
    turns = [("system", "Be brief."), ("human", "What?"), ("gpt", "That.")]

    [result] = read(write_lines({"conversations": [{"from": who, "value": text} for who, text in turns]}))

    found = example_of(result)
    assert (found.system_prompt, found.prompt_text, found.response_strong) == ("Be brief.", "What?", "That.")


HUMAN = {"from": "human", "value": "Add."}


@pytest.mark.parametrize(
    ("format_", "record", "problem"),
    [
        ("prompt-completion", {"prompt": "a"}, "it lacks prompt or completion"),
        ("prompt-completion", {"prompt": "a", "completion": ""}, "it does not end with an answer"),
        ("prompt-completion", {"prompt": 5, "completion": "b"}, "its messages are no list"),
        ("prompt-completion", {"prompt": "a", "completion": "b", "tools": "{torn"}, "its tools are malformed"),
        ("sharegpt", {"conversations": "a"}, "its conversations are no list of turns"),
        ("sharegpt", {"conversations": [HUMAN]}, "it does not end with an answer"),
        ("sharegpt", {"conversations": [{"from": "human"}]}, "a turn has no text, or nobody says it"),
        ("sharegpt", {"conversations": [{"from": "bird", "value": "a"}]}, "a turn is of nobody who is known"),
        ("sharegpt", {"conversations": [{"from": "observation", "value": "a"}]}, "a tool answers, and was not called"),
        ("sharegpt", {"conversations": [{"from": "function_call", "value": "a"}]}, "a function call is no JSON"),
        ("sharegpt", {"conversations": [{"from": "function_call", "value": "[]"}]}, "a function call has no name"),
    ],
)
def test_what_is_no_answered_call_is_refused(
    read: Read, write_lines: Write, format_: str, record: dict[str, Any], problem: str
) -> None:
    [result] = read(write_lines(record), format_)

    assert result.problem == problem
