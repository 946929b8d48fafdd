"""The conversation as a person reads it, out of whatever messages there are."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture_app.blobs import REFERENCE
from capture_app.example import COLUMNS
from capture_app.shown import Budget
from console.example_page.contents import Contents
from console.example_page.conversation import MOST_TURNS, Attachment, Conversation, Turn, read_conversation

SHA256 = "a" * 64
CALL = {"id": "c1", "type": "function", "function": {"name": "get_price", "arguments": '{"sku": 1}'}}


def attach(sha256: str, fact: Mapping[str, Any]) -> Attachment:
    return Attachment(label=str(fact.get("media_type")), url=f"/{sha256}", is_image=True)


def read(messages: Any = None, *, budget: Budget | None = None, **values: Any) -> Conversation:
    """The conversation of an example with these messages; `values` are columns, or keys of metadata.gleaner."""
    columns = {name: values.pop(name, None) for name in COLUMNS}
    gleaner = values if messages is None else {"messages": messages, **values}
    metadata = orjson.dumps({"gleaner": gleaner}, option=orjson.OPT_NON_STR_KEYS).decode()
    return read_conversation(Contents.of({**columns, "metadata": metadata}), attach, budget or Budget())


def only_turn(message: Any, **values: Any) -> Turn:
    [turn] = read([message], **values).turns
    return turn


def texts(turn: Turn) -> list[str]:
    return [part.text.shown for part in turn.parts if part.text]


def test_each_message_is_a_turn_of_its_role() -> None:
    roles = ["system", "developer", "user", "assistant", "tool", "function", "critic"]

    turns = read([{"role": role, "content": role} for role in roles]).turns

    assert [turn.kind for turn in turns] == ["system", "system", "user", "assistant", "tool", "tool", "other"]
    assert [turn.title for turn in turns][-3:] == ["Tool result", "Tool result", "critic"]
    assert [texts(turn) for turn in turns] == [[role] for role in roles]


def test_without_messages_the_columns_are_the_conversation() -> None:
    found = read(system_prompt="Be brief.", prompt_text="Why?", response_strong="So.")

    assert [(turn.kind, texts(turn)) for turn in found.turns] == [("system", ["Be brief."]), ("user", ["Why?"])]
    assert texts(found.answer) == ["So."]


def test_a_tools_result_names_the_call_that_it_is_of() -> None:
    asked, given_back = read(
        [
            {"role": "assistant", "content": None, "tool_calls": [CALL, {**CALL, "id": "c2"}]},
            {"role": "tool", "tool_call_id": "c2", "content": '{"price": 5}'},
        ]
    ).turns

    assert [(call.number, call.name, call.arguments.shown) for call in asked.calls] == [
        (1, "get_price", '{\n  "sku": 1\n}'),
        (2, "get_price", '{\n  "sku": 1\n}'),
    ]
    assert given_back.result_of == asked.calls[1]


def test_a_result_of_a_call_that_is_not_there_says_so() -> None:
    turn = only_turn({"role": "tool", "tool_call_id": "c9", "content": "5"})

    assert (turn.result_of, turn.result_of_id) == (None, "c9")


def test_an_answer_that_is_only_tool_calls_shows_them_once() -> None:
    answer = read(tool_calls=[CALL], response_strong=orjson.dumps([CALL]).decode()).answer

    assert answer.parts == []
    assert [call.name for call in answer.calls] == ["get_price"]


def test_an_answer_may_have_text_and_tool_calls() -> None:
    answer = read(tool_calls=[CALL], response_strong="Let me see.").answer

    assert texts(answer) == ["Let me see."]
    assert len(answer.calls) == 1


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ({"role": "assistant", "reasoning_content": "hm", "content": None}, "reasoning"),
        ({"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "x"}]}, "reasoning"),
        ({"role": "assistant", "content": None, "refusal": "hm"}, "refusal"),
        ({"role": "assistant", "content": [{"type": "refusal", "refusal": "hm"}]}, "refusal"),
    ],
)
def test_reasoning_and_refusals_are_told_apart(message: Any, kind: str) -> None:
    [part] = only_turn(message).parts

    assert part.kind == kind
    assert part.text is not None
    assert part.text.shown == "hm"


def test_the_reasoning_of_an_imported_answer_is_shown() -> None:
    assert [part.kind for part in read(imported_from={"reasoning": "hm"}, response_strong="a").answer.parts] == [
        "reasoning",
        "text",
    ]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": REFERENCE + SHA256}},
        {"type": "input_image", "image_url": REFERENCE + SHA256},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": REFERENCE + SHA256}},
        {"type": "input_audio", "input_audio": {"data": REFERENCE + SHA256, "format": "wav"}},
    ],
)
def test_images_and_files_are_attached(part: Any) -> None:
    turn = only_turn({"role": "user", "content": [part]}, blobs={SHA256: {"media_type": "image/png", "bytes": 5}})

    assert [found.attachment for found in turn.parts if found.attachment] == [
        attach(SHA256, {"media_type": "image/png"})
    ]


def test_a_reference_that_the_example_does_not_know_is_text() -> None:
    [part] = only_turn({"role": "user", "content": [{"type": "image_url", "image_url": REFERENCE + SHA256}]}).parts

    assert part.kind == "json"


def test_what_is_not_understood_is_shown_as_json() -> None:
    turn = only_turn({"role": "user", "content": [{"type": "hologram", "rays": 7}], "weight": 0})

    assert [part.kind for part in turn.parts] == ["json", "json"]
    assert '"rays": 7' in texts(turn)[0]
    assert '"weight": 0' in texts(turn)[1]


def test_a_long_conversation_is_cut_until_all_of_it_is_asked_for() -> None:
    messages = [{"role": "user", "content": "x"}] * (MOST_TURNS + 7)
    budget = Budget()

    cut, whole = read(messages, budget=budget), read(messages, budget=Budget(is_whole=True))

    assert (len(cut.turns), cut.left_out, budget.has_cut) == (MOST_TURNS, 7, True)
    assert (len(whole.turns), whole.left_out) == (MOST_TURNS + 7, 0)


def test_what_is_cut_is_not_the_answer() -> None:
    found = read([{"role": "user", "content": "x" * 10**6}] * 5, response_strong="y" * 1000)

    assert texts(found.answer) == ["y" * 1000]


_KEYS = st.sampled_from(
    ["role", "content", "tool_calls", "tool_call_id", "function", "name", "arguments", "id", "type", "text", "refusal"]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS | st.text(max_size=3), inner, max_size=5),
    max_leaves=15,
)


@given(json_values, json_values, json_values)
def test_no_json_whatever_breaks_it(messages: Any, calls: Any, blobs: Any) -> None:
    read(messages, tool_calls=calls, blobs=blobs, imported_from=calls, response_strong="x")
    read([messages, calls, blobs], blobs=blobs)


@pytest.mark.parametrize("metadata", [None, "", "null", "[]", "{", '{"gleaner": []}', '{"gleaner": {"messages": {}}}'])
def test_metadata_of_any_kind_leaves_the_columns(metadata: str | None) -> None:
    columns = {**dict.fromkeys(COLUMNS), "metadata": metadata, "prompt_text": "Why?"}

    assert len(read_conversation(Contents.of(columns), attach, Budget()).turns) == 1
