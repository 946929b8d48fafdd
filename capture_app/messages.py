"""Chat messages (the OpenAI form: a list of {"role", "content", ...}) and the plain text columns made from them."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from capture_app.example import storable

Message = Mapping[str, Any]

_SYSTEM_ROLES = ("system", "developer")


def build_messages(prompt: str | None, messages: Sequence[Message] | None, system_prompt: str | None) -> list[Message]:
    """The conversation to send. Exactly one of `prompt` and `messages` must be given, or ValueError."""
    if (prompt is None) == (messages is None):
        raise ValueError("Give either a prompt or messages, not both and not neither.")
    conversation: list[Message] = list(messages) if messages is not None else [{"role": "user", "content": prompt}]
    if not conversation:
        raise ValueError("messages is empty: there is nothing to ask.")
    if system_prompt:
        conversation.insert(0, {"role": "system", "content": system_prompt})
    return conversation


def system_text(messages: Sequence[Message]) -> str:
    """The text of all system messages, a blank line between them."""
    return "\n\n".join(content_text(message) for message in messages if message.get("role") in _SYSTEM_ROLES)


def prompt_text(messages: Sequence[Message]) -> str:
    """The user's text; for a conversation of several turns, its transcript, so that no context is lost."""
    turns = [message for message in messages if message.get("role") not in _SYSTEM_ROLES]
    if len(turns) == 1:
        return content_text(turns[0])
    return "\n\n".join(f"{message.get('role', 'user')}: {content_text(message)}" for message in turns)


def content_text(message: Message) -> str:
    """A message's text. Parts that are no text, and tool calls, are named in brackets rather than dropped."""
    content = message.get("content")
    if isinstance(content, str):
        text = content
    elif isinstance(content, Sequence):
        text = "\n".join(_part_text(part) for part in content)
    else:
        text = "" if content is None else str(content)
    calls = message.get("tool_calls")
    return f"{text}\n{to_json_text(calls)}".strip() if calls else text


def _part_text(part: Any) -> str:
    if isinstance(part, Mapping) and isinstance(part.get("text"), str):
        return str(part["text"])
    kind = part.get("type", "part") if isinstance(part, Mapping) else "part"
    return f"[{kind}]"


def to_json_text(value: Any) -> str:
    """`value` as compact JSON text."""
    return orjson.dumps(storable(value)).decode()
