"""Which lines can be trained on, and what is said of the others."""

import json
from pathlib import Path
from typing import Any

import pytest

from continuous_training.training import chats
from continuous_training.training.chats import problem_of, read_lines
from tests.unit.continuous_training.training.material import chat, chat_file

CALL = {"id": "call_1", "type": "function", "function": {"name": "price", "arguments": '{"of": "tea"}'}}


def said(*messages: Any, **keys: Any) -> bytes:
    return json.dumps({"messages": messages, **keys}).encode()


USER = {"role": "user", "content": "What?"}
ANSWER = {"role": "assistant", "content": "Tea."}


@pytest.mark.parametrize(
    "line",
    [
        said(USER, ANSWER),
        said({"role": "system", "content": "Be brief."}, USER, ANSWER),
        said({"role": "user", "content": [{"type": "text", "text": "What?"}]}, ANSWER),
        said(USER, {"role": "assistant", "content": None, "tool_calls": [CALL]}, tools=[{"type": "function"}]),
        said(
            USER,
            {"role": "assistant", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "12"},
            ANSWER,
        ),
        said(USER, {**ANSWER, "weight": 0}, USER, {**ANSWER, "weight": 1}),
        said(USER, ANSWER, parallel_tool_calls=False),
    ],
)
def test_a_chat_can_be_trained_on(line: bytes) -> None:
    assert problem_of(line) == ""


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"", "it is empty"),
        (b"   ", "it is empty"),
        (b"{", "it is no JSON in UTF-8"),
        (b'{"messages": "\xff"}', "it is no JSON in UTF-8"),
        (b"[1]", "it is no JSON object"),
        (b'{"prompt": "a", "completion": "b"}', "it has no list of messages"),
        (said(), "it has no list of messages"),
        (said("hello"), "message 1 is no object"),
        (said({"role": "bot", "content": "a"}), "message 1 has the role 'bot'"),
        (said({"role": ["user"], "content": "a"}), "message 1 has the role \"['user']\""),
        (said(USER, {"role": "assistant"}), "message 2 has no content"),
        (said(USER, {"role": "user", "content": []}, ANSWER), "message 2 has no content"),
        (said(USER, {"role": "user", "content": 3}, ANSWER), "message 2 has no content"),
        (said(USER, {**ANSWER, "tool_calls": [{"id": "a"}]}), "message 2 has tool_calls that are no list"),
        (
            said(USER, {**ANSWER, "tool_calls": [{**CALL, "function": {"name": "price", "arguments": {}}}]}),
            "message 2 has tool_calls that are no list of function calls with their arguments as a string",
        ),
        (said(USER, {"role": "tool", "content": "12"}, ANSWER), "message 2 is a tool's, and names no tool_call_id"),
        (said(USER), "its last message is not the assistant's"),
        (said(USER, ANSWER, USER), "its last message is not the assistant's"),
        (said(USER, {"role": "assistant", "content": ""}), "the assistant's last message is empty"),
        (said(USER, {**ANSWER, "weight": 0}), "its last message has the weight 0"),
        (said(USER, ANSWER, tools={}), "its tools are no list of objects"),
    ],
)
def test_of_any_other_line_it_is_said_why_it_cannot(line: bytes, problem: str) -> None:
    assert problem_of(line).startswith(problem)


def test_lines_are_numbered_and_come_without_their_ends(tmp_path: Path) -> None:
    path = chat_file(tmp_path / "a.jsonl", [chat("a"), chat("b")])
    path.write_bytes(path.read_bytes() + json.dumps(chat("c")).encode())  # without a newline at its end

    found = list(read_lines(path))

    assert [(line.number, line.problem) for line in found] == [(1, ""), (2, ""), (3, "")]
    assert [json.loads(line.raw) for line in found] == [chat("a"), chat("b"), chat("c")]


def test_a_line_too_long_to_be_read_is_said_to_be_and_those_behind_it_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chats, "LONGEST_LINE", 200)
    path = chat_file(tmp_path / "a.jsonl", [chat("a"), chat("b" * 2_000), chat("c")])

    found = list(read_lines(path))

    assert [(line.number, line.problem[:18]) for line in found] == [(1, ""), (2, "it is longer than "), (3, "")]
    assert len(found[1].raw) <= 201
