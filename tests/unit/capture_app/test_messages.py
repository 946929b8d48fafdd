"""The conversation that is sent, and the plain text made from it."""

from typing import Any

import pytest

from capture_app.messages import build_messages, content_text, prompt_text, system_text, to_json_text

HELLO = {"role": "user", "content": "Hello"}


def test_a_prompt_becomes_the_users_message() -> None:
    assert build_messages("Hello", None, None) == [HELLO]


def test_a_system_prompt_comes_first() -> None:
    assert build_messages("Hello", None, "Be brief.") == [{"role": "system", "content": "Be brief."}, HELLO]


def test_a_system_prompt_comes_before_given_messages_too() -> None:
    assert build_messages(None, [HELLO], "Be brief.")[0] == {"role": "system", "content": "Be brief."}


def test_an_empty_system_prompt_adds_no_message() -> None:
    assert build_messages("Hello", None, "") == [HELLO]


def test_an_empty_prompt_is_still_a_prompt() -> None:
    assert build_messages("", None, None) == [{"role": "user", "content": ""}]


def test_given_messages_are_not_changed() -> None:
    messages = [HELLO]

    build_messages(None, messages, "Be brief.")

    assert messages == [HELLO]


def test_prompt_and_messages_together_are_refused() -> None:
    with pytest.raises(ValueError, match="not both"):
        build_messages("Hello", [HELLO], None)


def test_neither_prompt_nor_messages_is_refused() -> None:
    with pytest.raises(ValueError, match="not neither"):
        build_messages(None, None, "Be brief.")


def test_no_messages_at_all_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing to ask"):
        build_messages(None, [], "Be brief.")


def test_the_text_of_a_single_turn_is_the_prompt_itself() -> None:
    assert prompt_text([{"role": "system", "content": "Be brief."}, HELLO]) == "Hello"


def test_the_text_of_several_turns_is_their_transcript() -> None:
    messages = [HELLO, {"role": "assistant", "content": "Hi"}, {"role": "user", "content": "Bye"}]

    assert prompt_text(messages) == "user: Hello\n\nassistant: Hi\n\nuser: Bye"


def test_the_transcript_of_a_turn_without_a_role_is_the_users() -> None:
    assert prompt_text([{"content": "Hello"}, HELLO]) == "user: Hello\n\nuser: Hello"


def test_system_and_developer_messages_make_the_system_text() -> None:
    messages = [{"role": "system", "content": "Be brief."}, HELLO, {"role": "developer", "content": "No jokes."}]

    assert system_text(messages) == "Be brief.\n\nNo jokes."


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, ""),
        ("Hello", "Hello"),
        ([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}], "one\ntwo"),
        ([{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "x"}}], "see\n[image_url]"),
        ([{"type": "text", "text": None}], "[text]"),
        (["neither text nor part"], "[part]"),
        (42, "42"),
    ],
)
def test_the_text_of_a_message_names_what_is_no_text(content: Any, text: str) -> None:
    assert content_text({"role": "user", "content": content}) == text


def test_tool_calls_stand_in_the_text_as_json() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "price", "arguments": "{}"}}

    assert content_text({"role": "assistant", "content": None, "tool_calls": [call]}) == to_json_text([call])


def test_tool_calls_follow_the_text_on_a_line_of_their_own() -> None:
    assert content_text({"content": "Let me look.", "tool_calls": [{"id": "c1"}]}) == 'Let me look.\n[{"id":"c1"}]'


def test_json_text_is_compact_and_keeps_letters() -> None:
    assert to_json_text({"a": ["ż", 1]}) == '{"a":["ż",1]}'


def test_json_text_takes_what_is_no_json() -> None:
    assert to_json_text({2**70}) == f'["{2**70}"]'
