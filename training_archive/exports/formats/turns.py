"""A conversation as turns that alternate, for the formats that know no other order."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from training_archive.exports.formats.base import Example, Refused
from training_archive.exports.formats.conversation import Conversation, conversation_of
from training_archive.exports.formats.messages import Message
from training_archive.exports.formats.text_messages import text_messages

_SYSTEM_ROLES = ("system", "developer")


class Turns(NamedTuple):
    """Asked by the user or by tools, answered by the assistant, in turn; the last one is the answer to learn."""

    system: str  # "" for none
    asked: list[list[Message]]  # one message of the user, or the results of one turn's tool calls
    answered: list[Message]  # as many
    conversation: Conversation


def turns_of(example: Example) -> Turns:
    """Raises Refused for a conversation in another order, and for images, files and names of authors."""
    conversation = conversation_of(example)
    messages = text_messages([*conversation.messages, conversation.answer], example)
    if any("name" in message for message in messages):
        raise Refused("a message names its author")
    first = next((i for i, message in enumerate(messages) if message["role"] not in _SYSTEM_ROLES), len(messages))
    system = "\n\n".join(message["content"] for message in messages[:first])
    asked, answered = _alternating(messages[first:])
    return Turns(system, asked, answered, conversation)


def _alternating(messages: Sequence[Message]) -> tuple[list[list[Message]], list[Message]]:
    asked: list[list[Message]] = []
    answered: list[Message] = []
    for message in messages:
        role, is_open = message["role"], len(asked) > len(answered)
        if role in _SYSTEM_ROLES:
            raise Refused("a system message is not the first")
        if role == "assistant" and is_open:
            answered.append(message)
        elif role == "tool" and is_open and asked[-1][0]["role"] == "tool":
            asked[-1].append(message)
        elif role != "assistant" and not is_open:
            asked.append([message])
        else:
            raise Refused("its turns do not alternate")
    return asked, answered


def tools_as_functions(conversation: Conversation) -> list[Any]:
    """[{"name", "description", "parameters"}], without OpenAI's wrapping."""
    return [tool["function"] for tool in conversation.tools]
