"""Conversations for formats that hold text, tool calls and their results, and neither images nor files."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from training_archive.exports.formats.base import Example, Refused
from training_archive.exports.formats.blob_content import refers_to_blob
from training_archive.exports.formats.conversation import facts_of_blobs
from training_archive.exports.formats.json_lines import parse_json
from training_archive.exports.formats.messages import Message

_HOLDS: Final = {
    "image_url": "a message holds an image",
    "input_audio": "a message holds audio",
    "file": "a message holds a file",
    "refusal": "a message holds a refusal",
}


def text_messages(messages: Sequence[Message], example: Example) -> list[Message]:
    """The messages with plain text as their content (None stays). Raises Refused for what is no text."""
    facts = facts_of_blobs(example)
    return [_text_message(message, facts) for message in messages]


def _text_message(message: Message, facts: Mapping[str, Any]) -> Message:
    if "refusal" in message:
        raise Refused(_HOLDS["refusal"])
    content = message["content"]
    if isinstance(content, list):
        return {**message, "content": "\n".join(_part_text(part, facts) for part in content)}
    if content and facts:
        _refuse_blob(content, facts)
    return message


def _part_text(part: Message, facts: Mapping[str, Any]) -> str:
    if part["type"] != "text":
        raise Refused(_HOLDS[part["type"]])
    _refuse_blob(part["text"], facts)
    return str(part["text"])


def _refuse_blob(text: str, facts: Mapping[str, Any]) -> None:
    if refers_to_blob(text, facts):
        raise Refused(_HOLDS["file"])


def arguments_of(call: Message) -> dict[str, Any]:
    """The arguments of a tool call as an object. Raises Refused where a model made something else of them."""
    try:
        arguments = parse_json(call["function"]["arguments"] or "{}")
    except ValueError as error:
        raise Refused("a tool call's arguments are no JSON") from error
    if not isinstance(arguments, dict):
        raise Refused("a tool call's arguments are no object")
    return arguments
