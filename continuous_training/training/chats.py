"""Files of chats, as trainers take them: JSONL, one `{"messages": [...]}` per line, perhaps with `"tools"`.

A file is read line by line, and a run is accepted only when every line can be trained on: what a service would refuse
after an hour, or a trainer stumble over at night, is said at once, by file and line.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

LONGEST_LINE: Final = 16 * 2**20  # bytes

_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


class Line(NamedTuple):
    """One line of a file, and what is wrong with it."""

    number: int  # from 1 on
    raw: bytes  # without its newline; the beginning only of one that is too long
    problem: str  # "": nothing is


def read_lines(path: Path) -> Iterator[Line]:
    """The lines in their order, however large the file is. Raises OSError."""
    with path.open("rb") as file:
        number = 0
        while raw := file.readline(LONGEST_LINE + 1):
            number += 1
            is_too_long = len(raw) > LONGEST_LINE and not raw.endswith(b"\n")
            line = raw.rstrip(b"\r\n")
            yield Line(number, line, _too_long() if is_too_long else problem_of(line))
            while is_too_long and not raw.endswith(b"\n") and raw:
                raw = file.readline(LONGEST_LINE)


def _too_long() -> str:
    return f"it is longer than {LONGEST_LINE // 2**20} MiB"


def problem_of(line: bytes) -> str:
    """What keeps the line from being trained on, in words; "" for nothing."""
    try:
        chat = orjson.loads(line)
    except orjson.JSONDecodeError:
        return "it is no JSON in UTF-8" if line.strip() else "it is empty"
    if not isinstance(chat, dict):
        return "it is no JSON object"
    messages = chat.get("messages")
    if not isinstance(messages, list) or not messages:
        return "it has no list of messages"
    if not _is_list_of_objects(chat.get("tools", [])):
        return "its tools are no list of objects"
    for number, message in enumerate(messages, start=1):
        if problem := _problem_of_message(message):
            return f"message {number} {problem}"
    return _problem_of_target(messages)


def _problem_of_message(message: Any) -> str:
    if not isinstance(message, dict):
        return "is no object"
    role, content = message.get("role"), message.get("content")
    if not isinstance(role, str) or role not in _ROLES:
        return f"has the role {str(role)[:40]!r}"
    if role == "assistant" and _is_calls(message.get("tool_calls")) and content is None:
        return ""
    if "tool_calls" in message and not _is_calls(message["tool_calls"]):
        return "has tool_calls that are no list of function calls with their arguments as a string"
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        return "is a tool's, and names no tool_call_id"
    if not (isinstance(content, str) or (_is_list_of_objects(content) and content)):
        return "has no content"
    return ""


def _problem_of_target(messages: list[dict[str, Any]]) -> str:
    """There must be something to learn, at the end, where a model would answer."""
    last = messages[-1]
    if last["role"] != "assistant":
        return "its last message is not the assistant's"
    if last.get("content") in ("", None) and not last.get("tool_calls"):
        return "the assistant's last message is empty"
    return "its last message has the weight 0" if last.get("weight") == 0 else ""


def _is_calls(value: Any) -> bool:
    return _is_list_of_objects(value) and bool(value) and all(_is_call(each) for each in value)


def _is_call(call: Mapping[str, Any]) -> bool:
    function = call.get("function")
    return (
        isinstance(call.get("id"), str)
        and isinstance(function, dict)
        and isinstance(function.get("name"), str)
        and isinstance(function.get("arguments"), str)
    )


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)
