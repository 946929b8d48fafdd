"""Text made fit to be shown."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture_app.shown import (
    PAGE_CHARACTERS,
    TEXT_CHARACTERS,
    Budget,
    parsed,
    short,
    visible,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb\u202c", "a⟦U+202E⟧b⟦U+202C⟧"),
        ("a\u2066b\u2069", "a⟦U+2066⟧b⟦U+2069⟧"),
        ("a\0b", "a⟦U+0000⟧b"),
        ("a\x1b[31mb", "a⟦U+001B⟧[31mb"),
        ("a\u200bb\ufeff", "a⟦U+200B⟧b⟦U+FEFF⟧"),
        ("a\U000e0041", "a⟦U+E0041⟧"),
        ("a\ud800", "a⟦U+D800⟧"),
        ("a\rb", "a⟦U+000D⟧b"),
        ("a\r\nb\n\tc", "a\nb\n\tc"),
        ("👩‍👩‍👧 می‌خواهم שלום", "👩‍👩‍👧 می‌خواهم שלום"),
    ],
)
def test_what_nobody_would_see_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(alphabet=st.characters()))
def test_what_is_shown_can_always_be_sent(text: str) -> None:
    shown = visible(text)

    assert shown.encode().decode() == shown


def test_a_name_is_cut() -> None:
    assert short("x" * 501) == "x" * 500 + "…"


def test_a_long_text_is_cut_until_all_of_it_is_asked_for() -> None:
    text = "x" * (TEXT_CHARACTERS + 1)

    cut, whole = Budget().text(text), Budget(is_whole=True).text(text)

    assert (len(cut.shown), cut.is_cut, cut.length) == (TEXT_CHARACTERS, True, f"{TEXT_CHARACTERS + 1:,}")
    assert (whole.shown, whole.is_cut) == (text, False)


def test_many_texts_share_what_a_page_can_bear() -> None:
    budget = Budget()

    texts = [budget.text("x" * TEXT_CHARACTERS) for _ in range(10)]

    assert sum(len(text.shown) for text in texts) == PAGE_CHARACTERS
    assert texts[-1].is_cut
    assert budget.has_cut


def test_json_is_indented() -> None:
    text = Budget().json_text('{"a":[1,"ü"]}')

    assert text.shown == '{\n  "a": [\n    1,\n    "ü"\n  ]\n}'
    assert text.is_json
    assert text.raw == ""


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"a": 1.10}', '{"a": "\\u00fc"}', '{"a":   1}'])
def test_json_that_was_written_in_another_way_stays_beside_it(text: str) -> None:
    assert Budget().json_text(text).raw == text


@pytest.mark.parametrize("text", ["", "12", '"x"', "{", "[1, 2", "NaN", "{'a': 1}", "[" * 5000, '{"a":' * 5000])
def test_what_is_no_json_is_left_as_it_is(text: str) -> None:
    assert Budget().json_text(text).shown == text


def test_lists_that_would_be_mostly_indentation_are_left_as_they_are() -> None:
    bomb = "[" * 300 + ",".join("1" * 5000) + "]" * 300

    assert Budget(is_whole=True).json_text(bomb).shown == bomb


def test_a_value_that_nests_too_deep_is_said_to() -> None:
    value: list[object] = []
    for _ in range(2000):
        value = [value]

    assert "too deep" in Budget().json_value(value).shown


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values)
def test_any_json_is_shown_whole(value: object) -> None:
    shown = Budget().json_value(value)

    assert shown.shown == visible(json.dumps(value, indent=2, ensure_ascii=False))


@pytest.mark.parametrize("text", [None, "", "no", "[" * 100_000, "1" * 5000])
def test_what_cannot_be_read_is_nothing(text: str | None) -> None:
    assert parsed(text) is None
