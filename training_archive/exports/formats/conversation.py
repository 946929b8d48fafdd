"""An example as the conversation that it was, and the answer to learn: what all training formats are made from."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from capture_app.example import RESERVED_KEY
from capture_app.memory import MARK, without_recalled
from training_archive.exports.annotations import CORRECTION
from training_archive.exports.formats.base import Example, Pair, Refused
from training_archive.exports.formats.json_lines import json_line
from training_archive.exports.formats.messages import (
    Message,
    check_results,
    checked_calls,
    checked_messages,
    checked_tools,
)


class Conversation(NamedTuple):
    """In OpenAI's chat form, checked."""

    messages: list[Message]  # all that was said before the answer
    answer: Message  # one assistant message; its content is None when it makes calls and says nothing
    tools: list[Message]
    parallel_tool_calls: bool | None  # as it was asked for


def conversation_of(example: Example) -> Conversation:
    """The example's conversation. Raises Refused for a partial or empty answer, and for what is malformed."""
    metadata = _mapping(example.get("metadata"))
    reserved = _mapping(metadata.get(RESERVED_KEY))
    parameters = _mapping(reserved.get("parameters"))
    if parameters.get("functions"):
        raise Refused("the call uses the deprecated functions")
    answer = _answer(example, metadata, reserved)
    parallel = parameters.get("parallel_tool_calls")
    return Conversation(
        messages=_prompt(example, reserved),
        answer=answer,
        tools=checked_tools(reserved.get("tools")),
        parallel_tool_calls=parallel if isinstance(parallel, bool) else None,
    )


def conversations_of(pair: Pair) -> tuple[Conversation, Message]:
    """The chosen example's conversation, and the rejected answer. Raises Refused, also where the prompts differ."""
    chosen, rejected = conversation_of(pair.chosen), conversation_of(pair.rejected)
    # Images have no part in prompt_hash: two prompts of one hash may still differ.
    if json_line([chosen.messages, chosen.tools]) != json_line([rejected.messages, rejected.tools]):
        raise Refused("the two prompts differ")
    if _said(chosen.answer) == _said(rejected.answer):
        raise Refused("the two answers are the same")
    return chosen, rejected.answer


def answer_text(example: Example) -> str:
    """The answer to learn as response_strong has it: its text, or its tool calls as JSON; "" for none.

    Raises Refused for a partial answer.
    """
    metadata = _mapping(example.get("metadata"))
    correction = _correction(metadata)
    if correction:
        return correction
    if _mapping(metadata.get(RESERVED_KEY)).get("partial"):
        raise Refused("the answer is partial")
    text = example.get("response_strong") or ""
    if not isinstance(text, str):
        raise Refused("the answer is no text")
    return text


def facts_of_blobs(example: Example) -> Mapping[str, Any]:
    """What is known of the images and files that the example's messages refer to, by hash."""
    return _mapping(_mapping(_mapping(example.get("metadata")).get(RESERVED_KEY)).get("blobs"))


def _mapping(value: Any) -> Mapping[str, Any]:
    """What other hands wrote may be no object; it then says nothing."""
    return value if isinstance(value, dict) else {}


def _said(answer: Message) -> bytes:
    """What tells two answers apart: a call's id is made anew each time."""
    return json_line([answer["content"], [call["function"] for call in answer.get("tool_calls", ())]])


def _prompt(example: Example, reserved: Mapping[str, Any]) -> list[Message]:
    given = reserved.get("messages")
    messages = _plain_prompt(example) if given is None else checked_messages(given)
    if MARK in reserved:  # notes of what the user said elsewhere belong to that moment, and to that user
        messages = [dict(message) for message in without_recalled(messages)]
    if not messages:
        raise Refused("the prompt is empty")
    if messages[-1]["role"] == "assistant":
        raise Refused("the last message before the answer is the assistant's")
    check_results(messages)
    return messages


def _plain_prompt(example: Example) -> list[Message]:
    system, prompt = example.get("system_prompt") or "", example.get("prompt_text") or ""
    if not isinstance(system, str) or not isinstance(prompt, str):
        raise Refused("the prompt is no text")
    if not prompt:
        raise Refused("the prompt is empty")
    user = {"role": "user", "content": prompt}
    return [{"role": "system", "content": system}, user] if system else [user]


def _answer(example: Example, metadata: Mapping[str, Any], reserved: Mapping[str, Any]) -> Message:
    calls = checked_calls(reserved.get("tool_calls"))
    text = answer_text(example)
    if not calls:
        return _text_answer(text)
    if _correction(metadata):
        return _calls_answer(text) if _are_calls(text) else _text_answer(text)
    says_nothing = not text.strip() or _are_calls(text)
    return {"role": "assistant", "content": None if says_nothing else text, "tool_calls": calls}


def _correction(metadata: Mapping[str, Any]) -> str:
    """ "" for none."""
    text = metadata.get(CORRECTION)
    return text if isinstance(text, str) and text.strip() else ""


def _text_answer(text: str) -> Message:
    if not text.strip():
        raise Refused("the answer is empty")
    return {"role": "assistant", "content": text}


def _calls_answer(text: str) -> Message:
    return {"role": "assistant", "content": None, "tool_calls": checked_calls(orjson.loads(text))}


def _are_calls(text: str) -> bool:
    """Whether the text is but the JSON of tool calls, which stands in response_strong when nothing was said."""
    if not text.lstrip().startswith("["):
        return False
    try:
        calls = orjson.loads(text)
    except ValueError:
        return False
    return bool(calls) and all(isinstance(call, dict) and "function" in call for call in calls)
