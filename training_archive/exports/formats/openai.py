"""What OpenAI's fine-tuning takes, and whoever reads its form: chat for supervised tuning, pairs for preferences.

https://platform.openai.com/docs/api-reference/fine-tuning/chat-input and .../preference-input
"""

from typing import Any

from training_archive.exports.formats.base import Example, Pair
from training_archive.exports.formats.blob_content import BlobContent
from training_archive.exports.formats.conversation import (
    Conversation,
    conversation_of,
    conversations_of,
    facts_of_blobs,
)
from training_archive.exports.formats.json_lines import JsonLinesFormat
from training_archive.exports.formats.messages import Message


class _OpenAIFormat(JsonLinesFormat):
    def _messages(self, messages: list[Message], example: Example) -> list[Message]:
        """The messages as they were sent, with their images."""
        return BlobContent(self.data_dir, facts_of_blobs(example)).put_into(messages)


class OpenAIChat(_OpenAIFormat):
    """{"messages": [...], "tools": [...], "parallel_tool_calls": ...}, the answer being the last message."""

    name = "openai-chat"
    about = "`messages` ends with the answer to learn; it and `tools` are as OpenAI's fine-tuning takes them."
    features = """
- name: messages
  list: json
- name: tools
  list: json
- name: parallel_tool_calls
  dtype: bool
"""

    def fields(self, item: Example) -> dict[str, Any]:
        conversation = conversation_of(item)
        messages = self._messages(conversation.messages, item)
        return {"messages": [*messages, conversation.answer], **_tools(conversation)}


class OpenAIPreference(_OpenAIFormat):
    """{"input": {"messages", "tools", ...}, "preferred_output": [...], "non_preferred_output": [...]}."""

    name = "openai-preference"
    about = "`input` and the two outputs are as OpenAI's preference fine-tuning takes them."
    features = """
- name: input
  dtype: json
- name: preferred_output
  list: json
- name: non_preferred_output
  list: json
"""
    wants_pairs = True

    def fields(self, item: Pair) -> dict[str, Any]:
        conversation, rejected = conversations_of(item)
        messages = self._messages(conversation.messages, item.chosen)
        return {
            "input": {"messages": messages, **_tools(conversation)},
            "preferred_output": [conversation.answer],
            "non_preferred_output": [rejected],
        }


def _tools(conversation: Conversation) -> dict[str, Any]:
    if not conversation.tools:
        return {}
    parallel = conversation.parallel_tool_calls
    return {"tools": conversation.tools, **({} if parallel is None else {"parallel_tool_calls": parallel})}
