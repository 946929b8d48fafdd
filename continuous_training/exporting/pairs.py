"""One captured example becomes one line to train on, or is left out with the reason.

The pair is the example's own: the user's last message, and the answer to it. Earlier turns of a conversation are
examples themselves, with ratings and corrections of their own; with HISTORY they come along as context, and are not
learnt again.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from capture_app.example import RESERVED_KEY
from capture_app.models import CUT_SHORT
from continuous_training.exporting.layout import hash_of
from continuous_training.exporting.redacting import redacted_messages
from continuous_training.exporting.rules import LEAVE_OUT, PairRules
from training_archive.exports.formats.base import Refused
from training_archive.exports.formats.conversation import Conversation, conversation_of
from training_archive.exports.formats.json_lines import json_line
from training_archive.exports.formats.messages import Message
from training_archive.exports.formats.text_messages import text_messages

_SYSTEM_ROLES: Final = ("system", "developer")


class LeftOut(Exception):
    """The example is no pair. Its text is the reason: short and without content, for it is counted."""


class Candidate(NamedTuple):
    """An example that may become a pair."""

    id: str
    task: str
    rating: float | None
    is_corrected: bool
    example: Mapping[str, Any]  # the fifteen columns; metadata as a dict, what people said in it


@dataclass(slots=True)
class Pair:
    """A line of chat JSONL, and what was done to the texts in it."""

    line: bytes  # with its newline
    cut: int = 0  # messages
    redacted: Counter[str] = field(default_factory=Counter)  # by kind

    @property
    def hash(self) -> str:
        return hash_of(self.line)


def pair_of(candidate: Candidate, rules: PairRules) -> Pair:
    """The pair that the example is. Raises LeftOut, and nothing else, whatever shape the example has."""
    _check_rating(candidate, rules)
    try:
        conversation = conversation_of(_whole_enough(candidate, rules))
        record = (_history if rules.history else _exchange)(conversation, candidate.example)
    except Refused as refused:
        raise LeftOut(str(refused)) from refused
    return _finished(record, rules)


def _check_rating(candidate: Candidate, rules: PairRules) -> None:
    """A correction is a person's answer, and better than any rating of the model's."""
    if candidate.is_corrected or candidate.rating is None or rules.min_rating is None:
        return
    if candidate.rating < rules.min_rating:
        raise LeftOut("low rating")


def _whole_enough(candidate: Candidate, rules: PairRules) -> Mapping[str, Any]:
    """The example, of which conversation_of refuses partial answers; without that mark, when those are taken."""
    metadata = candidate.example["metadata"]
    reserved = metadata.get(RESERVED_KEY)
    if candidate.is_corrected or not isinstance(reserved, dict):
        return candidate.example
    if not rules.cut_short and reserved.get("finish_reason") in CUT_SHORT:
        raise LeftOut("the answer was cut short")
    if rules.cut_short and reserved.get("partial"):
        return {**candidate.example, "metadata": {**metadata, RESERVED_KEY: {**reserved, "partial": False}}}
    return candidate.example


def _exchange(conversation: Conversation, example: Mapping[str, Any]) -> dict[str, Any]:
    """What is instructed, the user's message just before the answer, and the answer."""
    *before, asked = conversation.messages
    if asked["role"] != "user":
        raise Refused("no message of the user's just before the answer")
    if conversation.answer.get("tool_calls"):
        raise Refused("the answer calls a tool")
    instructed = [message for message in before if message["role"] in _SYSTEM_ROLES]
    return {"messages": text_messages([*_one_system(instructed, example), asked, conversation.answer], example)}


def _one_system(instructed: Sequence[Message], example: Mapping[str, Any]) -> list[Message]:
    texts = [message["content"] for message in text_messages(instructed, example)]
    return [{"role": "system", "content": "\n\n".join(texts)}] if any(texts) else []


def _history(conversation: Conversation, example: Mapping[str, Any]) -> dict[str, Any]:
    """All that was said, and the tools."""
    before = [
        {**message, "weight": 0} if message["role"] == "assistant" else message
        for message in text_messages(conversation.messages, example)
    ]
    record: dict[str, Any] = {"messages": [*before, *text_messages([conversation.answer], example)]}
    return {**record, "tools": conversation.tools} if conversation.tools else record


def _finished(record: Mapping[str, Any], rules: PairRules) -> Pair:
    """The record as a line, by the rules on its texts."""
    messages: list[Message] = [
        {key: value for key, value in message.items() if key != "name"}  # whoever speaks has a name to protect
        for message in record["messages"]
        if rules.system_message or message["role"] not in _SYSTEM_ROLES
    ]
    counts: Counter[str] = Counter()
    if rules.redact:
        messages, counts = redacted_messages(messages)
    for message in messages[-2:]:
        _check_side(_said(message), rules)
    cut = sum(_cut(message, rules) for message in messages)
    return Pair(json_line({**record, "messages": messages}), cut, counts)


def _said(message: Message) -> str:
    """A side's text: what it says, else the calls that it makes."""
    calls = (call["function"] for call in message.get("tool_calls", ()))
    return message["content"] or " ".join(f"{call['name']} {call['arguments']}" for call in calls)


def _check_side(text: str, rules: PairRules) -> None:
    if len(text.strip()) < rules.min_characters:
        raise LeftOut("too short")
    for marker in rules.leave_out_with:
        if marker in text:
            raise LeftOut(f"holds {marker}")


def _cut(message: Message, rules: PairRules) -> bool:
    text = message["content"]
    if text is None or len(text) <= rules.max_characters:
        return False
    if rules.too_long == LEAVE_OUT:
        raise LeftOut("too long")
    message["content"] = text[: rules.max_characters]
    return True
