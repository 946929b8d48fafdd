"""What TRL's trainers take: conversations in its three types, https://huggingface.co/docs/trl/dataset_formats

Arguments of tool calls are objects, as chat templates want them; `tools` is JSON text, which TRL's trainers read and
which no data set loader tears apart. Few templates know the role developer: it becomes system.
"""

from collections.abc import Sequence
from typing import Any

from training_archive.exports.formats.base import Example, Pair
from training_archive.exports.formats.conversation import Conversation, conversation_of, conversations_of
from training_archive.exports.formats.json_lines import JsonLinesFormat, json_text
from training_archive.exports.formats.messages import Message
from training_archive.exports.formats.text_messages import arguments_of, text_messages


def _features(*names: str) -> str:
    return "".join(f"- name: {name}\n  list: json\n" for name in names) + "- name: tools\n  dtype: string\n"


class TRLMessages(JsonLinesFormat):
    """{"messages": [...], "tools": "..."}: language modelling, for SFTTrainer."""

    name = "trl-messages"
    about = "`messages` ends with the answer to learn. `tools` is JSON text."
    features = _features("messages")

    def fields(self, item: Example) -> dict[str, Any]:
        conversation = conversation_of(item)
        return {"messages": _trl([*conversation.messages, conversation.answer], item), **_tools(conversation)}


class TRLPromptCompletion(JsonLinesFormat):
    """{"prompt": [...], "completion": [...], "tools": "..."}: the loss is on the completion only."""

    name = "trl-prompt-completion"
    about = "`prompt` is the conversation, `completion` the answer to learn. `tools` is JSON text."
    features = _features("prompt", "completion")

    def fields(self, item: Example) -> dict[str, Any]:
        conversation = conversation_of(item)
        return {
            "prompt": _trl(conversation.messages, item),
            "completion": _trl([conversation.answer], item),
            **_tools(conversation),
        }


class TRLPreference(JsonLinesFormat):
    """{"prompt": [...], "chosen": [...], "rejected": [...], "tools": "..."}: for DPOTrainer."""

    name = "trl-preference"
    about = "`prompt` is the conversation, `chosen` and `rejected` are two answers. `tools` is JSON text."
    features = _features("prompt", "chosen", "rejected")
    wants_pairs = True

    def fields(self, item: Pair) -> dict[str, Any]:
        conversation, rejected = conversations_of(item)
        return {
            "prompt": _trl(conversation.messages, item.chosen),
            "chosen": _trl([conversation.answer], item.chosen),
            "rejected": _trl([rejected], item.rejected),
            **_tools(conversation),
        }


def _trl(messages: Sequence[Message], example: Example) -> list[Message]:
    names: dict[str, str] = {}  # of the functions that are called, by the call's id: templates ask for the name
    return [_trl_message(message, names) for message in text_messages(messages, example)]


def _trl_message(message: Message, names: dict[str, str]) -> Message:
    role = message["role"]
    if role == "developer":
        return {**message, "role": "system"}
    if role == "tool":
        return {**message, "name": names[message["tool_call_id"]]}
    if "tool_calls" in message:
        names.update((call["id"], call["function"]["name"]) for call in message["tool_calls"])
        calls = [_trl_call(call) for call in message["tool_calls"]]
        return {**message, "content": message["content"] or "", "tool_calls": calls}
    return message


def _trl_call(call: Message) -> Message:
    return {**call, "function": {"name": call["function"]["name"], "arguments": arguments_of(call)}}


def _tools(conversation: Conversation) -> dict[str, Any]:
    return {"tools": json_text(conversation.tools)} if conversation.tools else {}
