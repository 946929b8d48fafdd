"""ShareGPT, in the dialect that LLaMA-Factory and Axolotl read: turns of human and gpt, with tools between them.

A turn that calls tools is a `function_call` of {"name", "arguments"}, or a list of them; what they gave is one
`observation`, a list of texts when there were several.
"""

from typing import Any

from training_archive.exports.formats.base import Example, Refused
from training_archive.exports.formats.json_lines import JsonLinesFormat, json_text
from training_archive.exports.formats.messages import Message
from training_archive.exports.formats.text_messages import arguments_of
from training_archive.exports.formats.turns import tools_as_functions, turns_of


class ShareGPT(JsonLinesFormat):
    """{"conversations": [{"from", "value"}, ...], "tools": "..."}."""

    name = "sharegpt"
    about = "`conversations` ends with the answer to learn. `tools` is JSON text."
    features = """
- name: conversations
  list:
  - name: from
    dtype: string
  - name: value
    dtype: string
- name: tools
  dtype: string
"""

    def fields(self, item: Example) -> dict[str, Any]:
        turns = turns_of(item)
        said = [{"from": "system", "value": turns.system}] if turns.system else []
        for asked, answered in zip(turns.asked, turns.answered, strict=True):
            said += [_asked(asked), _answered(answered)]
        tools = tools_as_functions(turns.conversation)
        return {"conversations": said, **({"tools": json_text(tools)} if tools else {})}


def _asked(messages: list[Message]) -> dict[str, str]:
    if messages[0]["role"] == "user":
        return {"from": "human", "value": messages[0]["content"]}
    results = [message["content"] for message in messages]
    return {"from": "observation", "value": results[0] if len(results) == 1 else json_text(results)}


def _answered(message: Message) -> dict[str, str]:
    if "tool_calls" not in message:
        return {"from": "gpt", "value": message["content"]}
    if message["content"]:
        raise Refused("a message holds text beside tool calls")
    calls = [{"name": call["function"]["name"], "arguments": arguments_of(call)} for call in message["tool_calls"]]
    return {"from": "function_call", "value": json_text(calls[0] if len(calls) == 1 else calls)}
