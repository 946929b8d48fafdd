"""Messages, tool calls and tools of any shape, checked: what comes out is OpenAI's chat form and nothing else.

Roles are system, developer, user, assistant and tool. What is no part of the conversation is left behind: markers for
caches, annotations, and what a model thought in earlier turns. Everything else that has no place is refused.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from training_archive.exports.formats.base import Refused
from training_archive.exports.formats.json_lines import json_text

Message = dict[str, Any]

_PLAIN_ROLES: Final = frozenset(("system", "developer", "user"))
# What SDKs and gateways put beside a message that is no part of what was said.
_MARKS: Final = ("annotations", "cache_control", "id", "index", "parsed", "phase", "prompt_cache_breakpoint", "status")
_THOUGHT: Final = ("reasoning", "reasoning_content", "reasoning_details", "thinking")
_ASIDE: Final = frozenset((*_MARKS, *_THOUGHT, "provider_specific_fields", "type"))
_SAID: Final = frozenset(("role", "content", "name", "tool_calls", "tool_call_id", "refusal"))
_THOUGHTS: Final = frozenset(("reasoning", "thinking", "redacted_thinking"))


def checked_messages(given: Any) -> list[Message]:
    """The messages as a list of their own. Raises Refused. Messages that hold a text only are not copied."""
    if not isinstance(given, list):
        raise Refused("the messages are no list")
    messages: list[Message] = []
    for message in given:
        if _is_plain(message):
            messages.append(message)
        else:
            _take(_checked_message(message), messages)
    return messages


def _is_plain(message: Any) -> bool:
    if type(message) is not dict or len(message) != 2 or type(message.get("content")) is not str:
        return False
    role = message.get("role")
    return isinstance(role, str) and (role in _PLAIN_ROLES or (role == "assistant" and message["content"] != ""))


def _take(message: Message | None, messages: list[Message]) -> None:
    """Add the message. A Responses API call keeps each tool call as a message: chat has those of one turn in one."""
    if message is None:
        return
    previous = messages[-1] if messages else {}
    is_more = message["role"] == "assistant" == previous.get("role") and message.get("content") is None
    if is_more and "tool_calls" in message:
        calls = [*previous.get("tool_calls", ()), *message["tool_calls"]]
        messages[-1] = {**previous, "tool_calls": calls}
    else:
        messages.append(message)


def _checked_message(message: Any) -> Message | None:
    """None for a message of nothing but thoughts."""
    if not isinstance(message, dict):
        raise Refused("a message is no object")
    if any(value is not None and key not in _SAID and key not in _ASIDE for key, value in message.items()):
        raise Refused("a message holds what chat has no word for")
    role = message.get("role")
    check = _CHECKS.get(role) if isinstance(role, str) else None
    if check is None:
        raise Refused("a message has a role that is unknown")
    return check(message)


def _prompting(message: Message) -> Message:
    checked = {"role": message["role"], "content": _content(message)}
    if checked["content"] is None:
        raise Refused("a message has no content")
    return _with_text(checked, message, "name")


def _tool_result(message: Message) -> Message:
    content, call_id = _content(message), message.get("tool_call_id")
    if content is None:
        raise Refused("a message has no content")
    if not isinstance(call_id, str) or not call_id:
        raise Refused("a tool result names no tool call")
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def _assistant(message: Message) -> Message | None:
    content = _content(message)
    calls = checked_calls(message.get("tool_calls"))
    checked: Message = {"role": "assistant", "content": content or None}
    if calls:
        checked["tool_calls"] = calls
    checked = _with_text(_with_text(checked, message, "name"), message, "refusal")
    if content or calls or "refusal" in checked:
        return checked
    if isinstance(message.get("content"), list) and message["content"]:
        return None  # nothing but thoughts
    raise Refused("a message has no content")


_CHECKS: Final[Mapping[str, Callable[[Message], Message | None]]] = {
    **dict.fromkeys(_PLAIN_ROLES, _prompting),
    "assistant": _assistant,
    "tool": _tool_result,
}


def _with_text(checked: Message, message: Message, key: str) -> Message:
    value = message.get(key)
    if value is None:
        return checked
    if not isinstance(value, str):
        raise Refused("a message is malformed")
    return {**checked, key: value}


# --- the parts of a content ------------------------------------------------------------------------------------------


def _content(message: Message) -> str | list[Message] | None:
    content = message.get("content")
    if content is None or isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise Refused("a message's content is neither text nor parts")
    return list(_parts(content)) or None


def _parts(content: list[Any]) -> Iterator[Message]:
    for part in content:
        if not isinstance(part, dict):
            raise Refused("a part of a message is no object")
        kind = part.get("type")
        if not isinstance(kind, str):
            raise Refused("a part of a message has no type")
        if kind in _THOUGHTS:
            continue
        if kind not in _PARTS:
            raise Refused("a message holds a part that chat has no word for")
        yield _PARTS[kind](part)


def _text_part(part: Message) -> Message:
    return {"type": "text", "text": _text(part.get("text"))}


def _refusal_part(part: Message) -> Message:
    return {"type": "refusal", "refusal": _text(part.get("refusal"))}


def _image_part(part: Message) -> Message:
    image = part.get("image_url")
    if isinstance(image, str):  # as some clients send it
        image = {"url": image}
    image = _texts_of(image, ("url", "detail"))
    if "url" not in image:
        raise Refused("a part of a message is malformed")
    return {"type": "image_url", "image_url": image}


def _audio_part(part: Message) -> Message:
    audio = _texts_of(part.get("input_audio"), ("data", "format"))
    if len(audio) != 2:
        raise Refused("a part of a message is malformed")
    return {"type": "input_audio", "input_audio": audio}


def _file_part(part: Message) -> Message:
    file = _texts_of(part.get("file"), ("file_data", "file_id", "filename"))
    if "file_data" not in file and "file_id" not in file:
        raise Refused("a part of a message is malformed")
    return {"type": "file", "file": file}


_PARTS: Final[Mapping[str, Callable[[Message], Message]]] = {
    "text": _text_part,
    "refusal": _refusal_part,
    "image_url": _image_part,
    "input_audio": _audio_part,
    "file": _file_part,
}


def _texts_of(given: Any, keys: tuple[str, ...]) -> Message:
    if not isinstance(given, dict):
        raise Refused("a part of a message is malformed")
    return {key: _text(given[key]) for key in keys if given.get(key) is not None}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Refused("a part of a message is malformed")
    return value


# --- tools and their calls -------------------------------------------------------------------------------------------


def checked_calls(given: Any) -> list[Message]:
    """Calls of functions, as [{"id", "type": "function", "function": {"name", "arguments": JSON text}}].

    Raises Refused. None is no call.
    """
    if given is None:
        return []
    if not isinstance(given, list):
        raise Refused("a tool call is malformed")
    return [_checked_call(call) for call in given]


def _checked_call(call: Any) -> Message:
    if not isinstance(call, dict):
        raise Refused("a tool call is malformed")
    if call.get("type", "function") != "function":
        raise Refused("a call is of a tool that is no function")
    function, call_id = call.get("function"), call.get("id")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        raise Refused("a tool call is malformed")
    if not isinstance(call_id, str) or not call_id:
        raise Refused("a tool call has no id")
    arguments = function.get("arguments")
    if isinstance(arguments, dict):  # as other providers than OpenAI give them
        arguments = json_text(arguments)
    if not isinstance(arguments, str):
        raise Refused("a tool call is malformed")
    return {"id": call_id, "type": "function", "function": {"name": function["name"], "arguments": arguments}}


def checked_tools(given: Any) -> list[Message]:
    """Definitions of functions, as [{"type": "function", "function": {"name", ...}}]. Raises Refused. None is none."""
    if given is None:
        return []
    if not isinstance(given, list):
        raise Refused("a tool is malformed")
    return [_checked_tool(tool) for tool in given]


def _checked_tool(tool: Any) -> Message:
    if not isinstance(tool, dict):
        raise Refused("a tool is malformed")
    if tool.get("type") != "function":
        raise Refused("a tool is no function")
    function = tool.get("function")
    if not isinstance(function, dict):
        raise Refused("a tool is malformed")
    kept = {key: function[key] for key in _TOOL_KINDS if function.get(key) is not None}
    if not kept.get("name") or not all(isinstance(value, _TOOL_KINDS[key]) for key, value in kept.items()):
        raise Refused("a tool is malformed")
    return {"type": "function", "function": kept}


_TOOL_KINDS: Final = {"name": str, "description": str, "parameters": dict, "strict": bool}


def check_results(messages: list[Message]) -> None:
    """Raises Refused unless each tool call is answered before anyone else speaks, and nothing else is answered."""
    open_calls: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                raise Refused("a tool result answers no tool call")
            open_calls.remove(message["tool_call_id"])
            continue
        if open_calls:
            raise Refused("a tool call is left unanswered")
        open_calls = [call["id"] for call in message.get("tool_calls", ())]
    if open_calls:
        raise Refused("a tool call is left unanswered")
