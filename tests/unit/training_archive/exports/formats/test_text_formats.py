"""TRL, ShareGPT and Alpaca: what each holds, and what it refuses."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.unit.training_archive.exports.formats.examples import (
    WEATHER,
    answer_of_calls,
    asking_about,
    call,
    conversation,
    converted,
    example,
    parallel_calls,
    said,
)
from training_archive.exports.formats import get_format
from training_archive.exports.formats.base import Pair, Refused

USER = said("user", "Hi")
SHA = "0" * 64
TEXT_FORMATS = ("trl-messages", "trl-prompt-completion", "sharegpt", "alpaca", "hf-dataset")


def refused(name: str, item: Any) -> str:
    with pytest.raises(Refused) as caught:
        get_format(name, data_dir=Path("/nowhere")).convert(item)
    return str(caught.value)


# --- what all of them share ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TEXT_FORMATS)
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([{"type": "image_url", "image_url": {"url": "https://example.com"}}], "a message holds an image"),
        ([{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}], "a message holds audio"),
        ([{"type": "file", "file": {"file_id": "x"}}], "a message holds a file"),
    ],
)
def test_images_and_files_are_refused(name: str, content: Any, expected: str) -> None:
    assert refused(name, conversation(said("user", content))) == expected


@pytest.mark.parametrize("name", TEXT_FORMATS)
@pytest.mark.parametrize("content", [f"blob:sha256:{SHA}", [{"type": "text", "text": f"blob:sha256:{SHA}"}]])
def test_a_text_that_was_a_file_is_refused(name: str, content: Any) -> None:
    item = conversation(said("user", content), gleaner={"blobs": {SHA: {"media_type": "text/plain"}}})

    assert refused(name, item) == "a message holds a file"


@pytest.mark.parametrize("name", TEXT_FORMATS)
@pytest.mark.parametrize(
    "message", [said("assistant", None, refusal="No."), said("assistant", [{"type": "refusal", "refusal": "No."}])]
)
def test_a_refusal_of_a_model_is_refused(name: str, message: dict[str, Any]) -> None:
    assert refused(name, conversation(USER, message, USER)) == "a message holds a refusal"


@pytest.mark.parametrize("name", TEXT_FORMATS)
@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (example(gleaner={"partial": True}), "the answer is partial"),
        (example(response_strong=""), "the answer is empty"),
        (asking_about("blob:sha256:x", {}), "a message holds an image"),
    ],
)
def test_what_teaches_nothing_is_refused(name: str, item: dict[str, Any], expected: str) -> None:
    assert refused(name, item) == expected


# --- TRL -------------------------------------------------------------------------------------------------------------


def test_trl_messages_end_with_the_answer() -> None:
    item = conversation(said("developer", "Be brief."), said("user", [{"type": "text", "text": "Hi"}], name="Ann"))

    assert converted("trl-messages", item) == {
        "messages": [
            said("system", "Be brief."),
            said("user", "Hi", name="Ann"),
            said("assistant", '{"price": 5}'),
        ]
    }


def test_trl_calls_have_objects_as_arguments_and_results_a_name() -> None:
    found = converted("trl-messages", parallel_calls())

    function = {"name": "weather", "arguments": {"city": "Köln"}}
    assert found["messages"][2]["content"] == ""
    assert found["messages"][2]["tool_calls"][0] == {"id": "a", "type": "function", "function": function}
    assert found["messages"][3] == said("tool", "rain", tool_call_id="a", name="weather")
    assert orjson.loads(found["tools"]) == [WEATHER]


def test_trl_prompt_and_completion_are_apart() -> None:
    found = converted("trl-prompt-completion", answer_of_calls(call("a", city="Köln")))

    assert [message["role"] for message in found["prompt"]] == ["system", "user"]
    assert found["completion"][0]["tool_calls"][0]["function"]["arguments"] == {"city": "Köln"}
    assert orjson.loads(found["tools"]) == [WEATHER]


def test_trl_preference_has_two_answers_to_a_prompt() -> None:
    found = converted("trl-preference", Pair(example(response_strong="Six."), example()))

    assert found == {
        "prompt": [said("system", "You read shop pages."), said("user", "What does it cost?")],
        "chosen": [said("assistant", "Six.")],
        "rejected": [said("assistant", '{"price": 5}')],
    }


@pytest.mark.parametrize("name", ["trl-messages", "sharegpt"])
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"city": ', "a tool call's arguments are no JSON"),
        ('{"city": NaN}', "a tool call's arguments are no JSON"),
        ("[" * 100_000, "a tool call's arguments are no JSON"),
        ("[1]", "a tool call's arguments are no object"),
    ],
)
def test_arguments_that_are_no_object_are_refused(name: str, arguments: str, expected: str) -> None:
    made = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": arguments}}

    assert refused(name, {**answer_of_calls(made), "response_strong": ""}) == expected


def test_a_call_without_arguments_has_none() -> None:
    made = {"id": "a", "type": "function", "function": {"name": "now", "arguments": ""}}

    assert converted("trl-messages", answer_of_calls(made))["messages"][-1]["tool_calls"][0]["function"] == {
        "name": "now",
        "arguments": {},
    }


# --- sharegpt --------------------------------------------------------------------------------------------------------


def test_sharegpt_knows_who_speaks_by_other_names() -> None:
    item = conversation(said("system", "One."), said("developer", "Two."), USER, said("assistant", "Yes?"), USER)

    assert converted("sharegpt", item) == {
        "conversations": [
            {"from": "system", "value": "One.\n\nTwo."},
            {"from": "human", "value": "Hi"},
            {"from": "gpt", "value": "Yes?"},
            {"from": "human", "value": "Hi"},
            {"from": "gpt", "value": '{"price": 5}'},
        ]
    }


def test_sharegpt_holds_parallel_calls_as_a_list_and_their_results_too() -> None:
    found = converted("sharegpt", parallel_calls())

    assert [turn["from"] for turn in found["conversations"]] == [
        "system",
        "human",
        "function_call",
        "observation",
        "gpt",
    ]
    assert orjson.loads(found["conversations"][2]["value"]) == [
        {"name": "weather", "arguments": {"city": "Köln"}},
        {"name": "weather", "arguments": {"city": "東京"}},
    ]
    assert orjson.loads(found["conversations"][3]["value"]) == ["rain", "sun"]
    assert orjson.loads(found["tools"]) == [WEATHER["function"]]


def test_sharegpt_holds_one_call_and_its_result_as_they_are() -> None:
    item = conversation(
        USER, said("assistant", None, tool_calls=[call("a", city="Ulm")]), said("tool", "rain", tool_call_id="a")
    )

    _, called, result, _ = converted("sharegpt", item)["conversations"]

    assert called == {"from": "function_call", "value": '{"name":"weather","arguments":{"city":"Ulm"}}'}
    assert result == {"from": "observation", "value": "rain"}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([USER, USER], "its turns do not alternate"),
        ([said("assistant", "Hello."), USER], "its turns do not alternate"),
        ([USER, said("assistant", "Yes?"), said("assistant", "Well?"), USER], "its turns do not alternate"),
        ([said("system", "Be brief.")], "its turns do not alternate"),
        ([USER, said("system", "Be brief.")], "a system message is not the first"),
        ([said("user", "Hi", name="Ann")], "a message names its author"),
        (
            [USER, said("assistant", "I look.", tool_calls=[call("a")]), said("tool", "rain", tool_call_id="a")],
            "a message holds text beside tool calls",
        ),
    ],
)
def test_sharegpt_refuses_turns_that_it_has_no_place_for(messages: Any, expected: str) -> None:
    assert refused("sharegpt", conversation(*messages)) == expected


# --- alpaca ----------------------------------------------------------------------------------------------------------


def test_alpaca_is_an_instruction_and_its_answer() -> None:
    assert converted("alpaca", example()) == {
        "instruction": "What does it cost?",
        "input": "",
        "output": '{"price": 5}',
        "system": "You read shop pages.",
        "history": [],
    }


def test_alpaca_has_the_turns_before_as_history() -> None:
    found = converted("alpaca", conversation(USER, said("assistant", "Yes?"), said("user", "Bye")))

    assert (found["instruction"], found["history"], found["system"]) == ("Bye", [["Hi", "Yes?"]], "")


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (parallel_calls(), "a message holds tool calls"),
        (answer_of_calls(call("a")), "a message holds tool calls"),
        (example(gleaner={"tools": [WEATHER]}), "it has tools to call"),
        (conversation(USER, USER), "its turns do not alternate"),
    ],
)
def test_alpaca_refuses_tools(item: dict[str, Any], expected: str) -> None:
    assert refused("alpaca", item) == expected
