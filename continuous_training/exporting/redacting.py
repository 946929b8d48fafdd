"""Where the export meets continuous_training.redaction, and nowhere else."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from continuous_training.redaction import new_redactor
from training_archive.exports.formats.messages import Message


def redacted_messages(messages: Sequence[Message]) -> tuple[list[Message], Counter[str]]:
    """The messages with what they say redacted, the same value by the same placeholder in all of them; and how many
    values of each kind. What is JSON stays JSON."""
    redactor = new_redactor()
    redactor.reserve_value([_said(message) for message in messages])
    return [_changed(message, redactor.redact_value) for message in messages], redactor.counts


def _said(message: Message) -> list[Any]:
    return [message["content"], *(call["function"]["arguments"] for call in message.get("tool_calls", ()))]


def _changed(message: Message, change: Callable[[Any], Any]) -> Message:
    changed = {**message, "content": change(message["content"])}
    if "tool_calls" in message:
        changed["tool_calls"] = [
            {**call, "function": {**call["function"], "arguments": change(call["function"]["arguments"])}}
            for call in message["tool_calls"]
        ]
    return changed
