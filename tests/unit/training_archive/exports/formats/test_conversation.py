"""An example becomes the conversation that it was, or is refused with a reason."""

from typing import Any

import orjson
import pytest

from tests.unit.training_archive.exports.formats.examples import (
    WEATHER,
    answer_of_calls,
    call,
    conversation,
    example,
    parallel_calls,
    said,
)
from training_archive.exports.formats.base import Pair, Refused
from training_archive.exports.formats.conversation import conversation_of, conversations_of

USER = said("user", "Hi")


def messages_of(*messages: Any) -> list[dict[str, Any]]:
    return conversation_of(conversation(*messages)).messages


def reason(item: dict[str, Any]) -> str:
    with pytest.raises(Refused) as caught:
        conversation_of(item)
    return str(caught.value)


# --- the prompt ------------------------------------------------------------------------------------------------------


def test_a_plain_example_is_a_system_message_and_the_prompt() -> None:
    assert conversation_of(example()).messages == [
        said("system", "You read shop pages."),
        said("user", "What does it cost?"),
    ]


def test_an_example_without_a_system_prompt_is_the_prompt_alone() -> None:
    assert conversation_of(example(system_prompt="")).messages == [said("user", "What does it cost?")]


def test_kept_messages_come_before_the_columns() -> None:
    assert messages_of(said("developer", "Be brief."), USER) == [said("developer", "Be brief."), USER]


def test_parallel_calls_and_their_results_stay_in_order() -> None:
    found = conversation_of(parallel_calls())

    assert [message["role"] for message in found.messages] == ["system", "user", "assistant", "tool", "tool"]
    assert [made["id"] for made in found.messages[2]["tool_calls"]] == ["a", "b"]
    assert found.messages[2]["content"] is None
    assert found.tools == [WEATHER]


def test_calls_that_were_kept_as_a_message_each_are_one_turn() -> None:
    first, second = call("a", city="Bonn"), call("b", city="Ulm")

    found = messages_of(
        USER,
        said("assistant", "I look."),
        said("assistant", None, tool_calls=[first]),
        said("assistant", None, tool_calls=[second]),
        said("tool", "rain", tool_call_id="b"),
        said("tool", "sun", tool_call_id="a"),
    )

    assert found[1] == said("assistant", "I look.", tool_calls=[first, second])
    assert len(found) == 4


def test_arguments_that_are_an_object_become_json_text() -> None:
    made = {"id": "a", "function": {"name": "weather", "arguments": {"city": "Köln"}}}

    found = messages_of(USER, said("assistant", "", tool_calls=[made]), said("tool", "rain", tool_call_id="a"))

    assert found[1]["tool_calls"] == [call("a", city="Köln")]


def test_what_is_no_part_of_the_conversation_is_left_behind() -> None:
    answered = said("assistant", "Yes?", refusal=None, audio=None, annotations=[], reasoning_content="Hm.", id="m")
    part = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}

    assert messages_of(said("user", [part]), answered, USER) == [
        said("user", [{"type": "text", "text": "Hi"}]),
        said("assistant", "Yes?"),
        USER,
    ]


def test_a_message_of_nothing_but_thoughts_is_left_behind() -> None:
    assert messages_of(USER, said("assistant", [{"type": "reasoning", "summary": []}]), USER) == [USER, USER]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ("text", "the messages are no list"),
        ([], "the prompt is empty"),
        (["text"], "a message is no object"),
        ([{"content": "x"}], "a message has a role that is unknown"),
        ([said("wizard", "x")], "a message has a role that is unknown"),
        ([said(["user"], "x")], "a message has a role that is unknown"),
        ([said("user", None)], "a message has no content"),
        ([said("user", [])], "a message has no content"),
        ([said("assistant", ""), USER], "a message has no content"),
        ([said("user", 5)], "a message's content is neither text nor parts"),
        ([said("user", ["x"])], "a part of a message is no object"),
        ([said("user", [{"text": "x"}])], "a part of a message has no type"),
        ([said("user", [{"type": "web_search_call"}])], "a message holds a part that chat has no word for"),
        ([said("user", [{"type": "text", "text": 5}])], "a part of a message is malformed"),
        ([said("user", [{"type": "image_url", "image_url": {}}])], "a part of a message is malformed"),
        ([said("user", [{"type": "image_url"}])], "a part of a message is malformed"),
        ([said("user", [{"type": "input_audio", "input_audio": {"data": ""}}])], "a part of a message is malformed"),
        ([said("user", [{"type": "file", "file": {"filename": "x"}}])], "a part of a message is malformed"),
        ([said("user", "x", name=5)], "a message is malformed"),
        ([said("assistant", None, function_call={"name": "f"})], "a message holds what chat has no word for"),
        ([USER, said("tool", "x")], "a tool result names no tool call"),
        ([USER, said("tool", None, tool_call_id="a")], "a message has no content"),
        ([USER, said("tool", "x", tool_call_id="a")], "a tool result answers no tool call"),
        ([USER, said("assistant", None, tool_calls=[call("a")]), USER], "a tool call is left unanswered"),
        (
            [USER, said("assistant", None, tool_calls=[call("a"), call("b")]), said("tool", "x", tool_call_id="a")],
            "a tool call is left unanswered",
        ),
        ([USER, said("assistant", "Yes?")], "the last message before the answer is the assistant's"),
        ([USER, said("assistant", None, tool_calls="x")], "a tool call is malformed"),
        ([USER, said("assistant", None, tool_calls=["x"])], "a tool call is malformed"),
        ([USER, said("assistant", None, tool_calls=[{"id": "a", "function": {}}])], "a tool call is malformed"),
        ([USER, said("assistant", None, tool_calls=[{**call("a"), "id": None}])], "a tool call has no id"),
        (
            [USER, said("assistant", None, tool_calls=[{"id": "a", "function": {"name": "f", "arguments": 5}}])],
            "a tool call is malformed",
        ),
        (
            [USER, said("assistant", None, tool_calls=[{"id": "a", "type": "custom", "custom": {}}])],
            "a call is of a tool that is no function",
        ),
    ],
)
def test_messages_of_another_shape_are_refused(messages: Any, expected: str) -> None:
    assert reason(example(gleaner={"messages": messages})) == expected


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"prompt_text": ""}, "the prompt is empty"),
        ({"prompt_text": None}, "the prompt is empty"),
        ({"prompt_text": 5}, "the prompt is no text"),
        ({"system_prompt": ["x"]}, "the prompt is no text"),
    ],
)
def test_a_prompt_of_another_shape_is_refused(columns: dict[str, Any], expected: str) -> None:
    assert reason(example(**columns)) == expected


# --- tools -----------------------------------------------------------------------------------------------------------


def test_whether_calls_may_be_parallel_is_kept() -> None:
    item = parallel_calls()
    item["metadata"]["gleaner"]["parameters"] = {"parallel_tool_calls": False}

    assert conversation_of(item).parallel_tool_calls is False


@pytest.mark.parametrize(
    ("gleaner", "expected"),
    [
        ({"tools": {}}, "a tool is malformed"),
        ({"tools": ["x"]}, "a tool is malformed"),
        ({"tools": [{"type": "function"}]}, "a tool is malformed"),
        ({"tools": [{"type": "function", "function": {"name": ""}}]}, "a tool is malformed"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": "x"}}]}, "a tool is malformed"),
        ({"tools": [{"type": "web_search"}]}, "a tool is no function"),
        ({"parameters": {"functions": [{"name": "f"}]}}, "the call uses the deprecated functions"),
    ],
)
def test_tools_of_another_shape_are_refused(gleaner: dict[str, Any], expected: str) -> None:
    assert reason(example(gleaner=gleaner)) == expected


# --- the answer ------------------------------------------------------------------------------------------------------


def test_an_answer_is_the_assistants_message() -> None:
    assert conversation_of(example()).answer == said("assistant", '{"price": 5}')


def test_an_answer_of_calls_alone_has_no_content() -> None:
    calls = [call("a", city="Bonn"), call("b", city="Ulm")]

    assert conversation_of(answer_of_calls(*calls)).answer == said("assistant", None, tool_calls=calls)


def test_an_answer_may_have_a_text_and_calls() -> None:
    item = {**answer_of_calls(call("a")), "response_strong": "[1] I look."}

    assert conversation_of(item).answer == said("assistant", "[1] I look.", tool_calls=[call("a")])


def test_a_correction_is_the_answer_to_learn() -> None:
    assert conversation_of(example(metadata={"correction": "Six."})).answer == said("assistant", "Six.")


def test_a_correction_replaces_calls_too() -> None:
    assert conversation_of(answer_of_calls(call("a"), metadata={"correction": "Six."})).answer == said(
        "assistant", "Six."
    )


def test_calls_are_corrected_by_calls() -> None:
    right = [call("a", city="Ulm")]
    item = answer_of_calls(call("a", city="Bonn"), metadata={"correction": orjson.dumps(right).decode()})

    assert conversation_of(item).answer == said("assistant", None, tool_calls=right)


@pytest.mark.parametrize("correction", ["", "  ", None, 5, ["Six."]])
def test_a_correction_that_says_nothing_is_none(correction: Any) -> None:
    assert conversation_of(example(metadata={"correction": correction})).answer["content"] == '{"price": 5}'


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (example(response_strong=""), "the answer is empty"),
        (example(response_strong=" \n"), "the answer is empty"),
        (example(response_strong=None), "the answer is empty"),
        (example(response_strong={"price": 5}), "the answer is no text"),
        (example(gleaner={"partial": True}), "the answer is partial"),
        (example(gleaner={"tool_calls": "x"}), "a tool call is malformed"),
    ],
)
def test_an_answer_that_is_none_is_refused(item: dict[str, Any], expected: str) -> None:
    assert reason(item) == expected


def test_a_partial_answer_that_was_corrected_is_not_partial() -> None:
    item = example(metadata={"correction": "Six."}, gleaner={"partial": True})

    assert conversation_of(item).answer["content"] == "Six."


@pytest.mark.parametrize("metadata", [None, [], "x", {"gleaner": []}, {"gleaner": {"parameters": 5, "blobs": 5}}])
def test_metadata_of_another_shape_says_nothing(metadata: Any) -> None:
    assert conversation_of(example(metadata=metadata)) == conversation_of(example())


# --- pairs -----------------------------------------------------------------------------------------------------------


def test_a_pair_is_one_conversation_and_two_answers() -> None:
    found, rejected = conversations_of(Pair(example(metadata={"correction": "Six."}), example()))

    assert (found.answer["content"], rejected["content"]) == ("Six.", '{"price": 5}')


@pytest.mark.parametrize(
    ("chosen", "rejected", "expected"),
    [
        (example(), example(), "the two answers are the same"),
        (answer_of_calls(call("a")), answer_of_calls(call("b")), "the two answers are the same"),
        (example(response_strong="Six."), example(prompt_text="Why?"), "the two prompts differ"),
        (answer_of_calls(call("a")), example(), "the two prompts differ"),
    ],
)
def test_a_pair_that_teaches_nothing_is_refused(
    chosen: dict[str, Any], rejected: dict[str, Any], expected: str
) -> None:
    with pytest.raises(Refused, match=expected):
        conversations_of(Pair(chosen, rejected))
