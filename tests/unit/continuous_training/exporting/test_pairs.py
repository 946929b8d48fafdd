"""What becomes of one example: each rule, and each reason to leave it out."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson
import pytest

from continuous_training.exporting.pairs import Candidate, LeftOut, pair_of
from continuous_training.exporting.rules import export_rules
from tests.unit.continuous_training.exporting.material import ANSWER, QUESTION, candidate

CALL = {"id": "c1", "type": "function", "function": {"name": "price", "arguments": '{"of":"lamp"}'}}
TOOL = {"type": "function", "function": {"name": "price", "parameters": {"type": "object"}}}


def record(given: Candidate) -> Any:
    return orjson.loads(pair_of(given, export_rules().of(given.task)).line)


def messages(given: Candidate) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in record(given)["messages"]]


def reason(given: Candidate) -> str:
    with pytest.raises(LeftOut) as left_out:
        record(given)
    return str(left_out.value)


def test_a_pair_is_one_line_of_chat(rules: Callable[..., None]) -> None:
    assert record(candidate()) == {
        "messages": [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": ANSWER}]
    }


def test_its_hash_is_that_of_the_line_without_the_newline() -> None:
    pair = pair_of(candidate(), export_rules().usual)

    assert pair.hash == hashlib.sha256(pair.line[:-1]).hexdigest()
    assert pair.line.endswith(b"}\n")


def test_the_system_message_is_kept_unless_the_rules_say_otherwise(rules: Callable[..., None]) -> None:
    given = candidate(system_prompt="You sell lamps.")
    assert messages(given) == [("system", "You sell lamps."), ("user", QUESTION), ("assistant", ANSWER)]

    rules(SYSTEM_MESSAGE=False)
    assert messages(given) == [("user", QUESTION), ("assistant", ANSWER)]


def test_of_a_conversation_the_last_exchange_is_the_pair() -> None:
    said = [
        {"role": "developer", "content": "You sell lamps."},
        {"role": "user", "content": "Do you have lamps?"},
        {"role": "assistant", "content": "We have a red one."},
        {"role": "user", "content": QUESTION, "name": "Ann"},
    ]

    assert messages(candidate(gleaner={"messages": said})) == [
        ("system", "You sell lamps."),
        ("user", QUESTION),
        ("assistant", ANSWER),
    ]


def test_a_whole_history_has_its_tools_and_earlier_answers_without_weight(rules: Callable[..., None]) -> None:
    rules(HISTORY=True)
    said = [
        {"role": "user", "content": QUESTION, "name": "Ann"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "five pounds"},
    ]

    assert record(candidate(gleaner={"messages": said, "tools": [TOOL]})) == {
        "messages": [
            {"role": "user", "content": QUESTION},
            {"role": "assistant", "content": None, "tool_calls": [CALL], "weight": 0},
            {"role": "tool", "tool_call_id": "c1", "content": "five pounds"},
            {"role": "assistant", "content": ANSWER},
        ],
        "tools": [TOOL],
    }


def test_a_tool_call_is_an_answer_in_a_history_only(rules: Callable[..., None]) -> None:
    given = candidate(response_strong=orjson.dumps([CALL]).decode(), gleaner={"tool_calls": [CALL]})
    assert reason(given) == "the answer calls a tool"

    rules(HISTORY=True)
    assert record(given)["messages"][-1]["tool_calls"] == [CALL]


def test_an_answer_to_a_tool_result_is_no_pair() -> None:
    said = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "five pounds"},
    ]

    assert reason(candidate(gleaner={"messages": said})) == "no message of the user's just before the answer"


def test_a_correction_takes_the_answers_place() -> None:
    given = candidate(rating=0.0, corrected="It costs six pounds.")

    assert messages(given)[-1] == ("assistant", "It costs six pounds.")


@pytest.mark.parametrize(("rating", "is_taken"), [(None, True), (0.5, True), (1.0, True), (0.4, False), (0.0, False)])
def test_a_low_rating_keeps_out(rating: float | None, is_taken: bool) -> None:
    given = candidate(rating=rating)

    if is_taken:
        assert messages(given)
    else:
        assert reason(given) == "low rating"


def test_no_rating_keeps_out_without_a_least_one(rules: Callable[..., None]) -> None:
    rules(MIN_RATING=None)

    assert messages(candidate(rating=-1.0))


@pytest.mark.parametrize(
    ("gleaner", "why"),
    [({"partial": True}, "the answer is partial"), ({"finish_reason": "length"}, "the answer was cut short")],
)
def test_answers_that_were_cut_short_stay_out_unless_asked_for(
    rules: Callable[..., None], gleaner: dict[str, Any], why: str
) -> None:
    assert reason(candidate(gleaner=gleaner)) == why
    assert messages(candidate(gleaner=gleaner, corrected="It costs six pounds."))

    rules(CUT_SHORT=True)
    assert messages(candidate(gleaner=gleaner))


@pytest.mark.parametrize("columns", [{"prompt_text": "A lamp?"}, {"response_strong": "  five    "}])
def test_a_side_of_fewer_than_ten_characters_is_too_short(columns: dict[str, Any]) -> None:
    assert reason(candidate(**columns)) == "too short"


def test_ten_characters_are_enough() -> None:
    assert messages(candidate(prompt_text="0123456789", response_strong="abcdefghij"))


def test_a_task_may_have_rules_of_its_own(rules: Callable[..., None]) -> None:
    rules(TASKS={"navpage_classifier": {"MIN_CHARACTERS": 1}})

    assert messages(candidate(task="navpage_classifier", response_strong="YES"))[-1] == ("assistant", "YES")
    assert reason(candidate(task="shop", response_strong="YES")) == "too short"


def test_what_is_left_after_redaction_is_counted() -> None:
    assert reason(candidate(response_strong="ann@example.org")) == "too short"


@pytest.mark.parametrize("name", ["prompt_text", "response_strong"])
def test_a_marker_in_either_side_keeps_out(name: str) -> None:
    columns: dict[str, Any] = {name: "[ACTION] open the shop"}

    assert reason(candidate(**columns)) == "holds [ACTION]"


def test_long_messages_are_cut_or_left_out(rules: Callable[..., None]) -> None:
    given = candidate(prompt_text="a lamp " * 3000)
    pair = pair_of(given, export_rules().usual)
    assert (len(messages(given)[0][1]), pair.cut) == (16_000, 1)

    rules(TOO_LONG="leave out")
    assert reason(given) == "too long"


def test_a_value_is_cleared_before_its_text_is_cut(rules: Callable[..., None]) -> None:
    rules(MAX_CHARACTERS=20)

    assert messages(candidate(prompt_text="Please write to ann@example.org"))[0][1] == "Please write to [EMA"


def test_the_same_value_has_the_same_placeholder_on_both_sides() -> None:
    given = candidate(
        prompt_text="Is bob@example.org or ann@example.org right?", response_strong="It is ann@example.org now."
    )
    pair = pair_of(given, export_rules().usual)

    assert messages(given) == [
        ("user", "Is [EMAIL_1] or [EMAIL_2] right?"),
        ("assistant", "It is [EMAIL_2] now."),
    ]
    assert pair.redacted == {"EMAIL": 3}


def test_arguments_of_calls_are_redacted_and_stay_json(rules: Callable[..., None]) -> None:
    rules(HISTORY=True)
    call = {"id": "c1", "type": "function", "function": {"name": "send", "arguments": '{"to":"ann@example.org"}'}}

    answer = record(candidate(response_strong=orjson.dumps([call]).decode(), gleaner={"tool_calls": [call]}))[
        "messages"
    ][-1]

    assert orjson.loads(answer["tool_calls"][0]["function"]["arguments"]) == {"to": "[EMAIL_1]"}


def test_a_task_may_go_without_redaction(rules: Callable[..., None]) -> None:
    rules(TASKS={"address_finder": {"REDACT": False}})

    given = candidate(task="address_finder", response_strong="ann@example.org")

    assert messages(given)[-1][1] == "ann@example.org"


@pytest.mark.parametrize(
    "columns",
    [
        {"prompt_text": ""},
        {"response_strong": None},
        {"gleaner": {"messages": "no list"}},
        {"gleaner": {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}]}},
        {"gleaner": {"messages": [17]}},
        {"gleaner": "no object"},
        {"metadata": {"correction": 5}, "response_strong": ""},
    ],
)
def test_whatever_shape_an_example_has_it_is_a_pair_or_left_out(columns: dict[str, Any]) -> None:
    with suppress(LeftOut):
        assert messages(candidate(**columns))
