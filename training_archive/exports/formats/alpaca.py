"""Alpaca: an instruction and its answer, with the turns before it as `history`. It knows no tools."""

from typing import Any

from training_archive.exports.formats.base import Example, Refused
from training_archive.exports.formats.json_lines import JsonLinesFormat
from training_archive.exports.formats.turns import turns_of


class Alpaca(JsonLinesFormat):
    """{"instruction", "input", "output", "system", "history": [[question, answer], ...]}."""

    name = "alpaca"
    about = "`output` is the answer to learn; `history` holds the turns before it."
    features = """
- name: instruction
  dtype: string
- name: input
  dtype: string
- name: output
  dtype: string
- name: system
  dtype: string
- name: history
  list:
    list: string
"""

    def fields(self, item: Example) -> dict[str, Any]:
        turns = turns_of(item)
        if any("tool_calls" in message for message in turns.answered):
            raise Refused("a message holds tool calls")
        if turns.conversation.tools:
            raise Refused("it has tools to call")
        asked = [messages[0]["content"] for messages in turns.asked]
        answers = [message["content"] for message in turns.answered]
        return {
            "instruction": asked[-1],
            "input": "",
            "output": answers[-1],
            "system": turns.system,
            "history": [list(turn) for turn in zip(asked[:-1], answers[:-1], strict=True)],
        }
