"""Messages as the chat templates of transformers take them: the same for a model that learns and one that answers."""

import json
from collections.abc import Mapping
from typing import Any

_ROLES = {"developer": "system"}  # a newer name for the same, which few templates know


def template_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """Content as text, and the arguments of tool calls as objects. Raises ValueError for images and other parts."""
    plain = {key: value for key, value in message.items() if key != "weight" and value is not None}
    plain["role"] = _ROLES.get(message["role"], message["role"])
    plain["content"] = _text(message.get("content"))
    if message.get("tool_calls"):
        plain["tool_calls"] = [_call(call) for call in message["tool_calls"]]
    return plain


def _text(content: Any) -> str:
    if not isinstance(content, list | tuple):
        return content or ""
    if not all(isinstance(part.get("text"), str) for part in content):
        raise ValueError("A message has parts that are no text, and the model reads nothing else.")
    return "\n".join(part["text"] for part in content)


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    if not isinstance(function, Mapping):
        return dict(call)
    try:
        arguments = json.loads(function["arguments"])
    except ValueError:  # a model wrote it; it is shown as it stands
        arguments = function["arguments"]
    return {**call, "function": {**function, "arguments": arguments}}
