"""Redacting what was redacted changes nothing."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from continuous_training.redaction import new_redactor, redact_text
from tests.unit.continuous_training.redaction.generated import generated
from tests.unit.continuous_training.redaction.labelled import CLAIMED, NOT_CLAIMED, Labelled, written

_PIECES = (
    *("ann@example.org", "@ann", "+1 555 123 4567", "020 7946 0958", "5551234567", "4111111111111111", "555-123-4567"),
    *("https://example.com/a", "www.example.com", "example.org", "192.0.2.1", "2001:db8::1", "::1", "1.2.3.4"),
    *(
        "DE89370400440532013000",
        "password=",
        "hunter2",
        "api_key: ",
        "sk-abcDEF1234567890abcDEF12",
        "Bearer abc123def456",
    ),
    *(
        "tel. ",
        "call ",
        "order ",
        "version ",
        "[EMAIL_1]",
        "[PHONE_7]",
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        "<",
        ">",
        '"',
        "'",
    ),
    *(
        "\\n",
        "\\",
        "/",
        "//",
        ":",
        "://",
        "@",
        ".",
        ",",
        "-",
        "_",
        "+",
        "=",
        "%",
        "#",
        "x",
        "ext. 5",
        "é",
        "谢",
        "0",
        "12",
    ),
    *(
        "\n",
        "  ",
        " ",
        "\t",
        "*",
        "`",
        "git@github.com:a/b",
        "self.",
        "def f(): ...",
        "@property\n",
        "eyJ",
        "-----BEGIN ",
    ),
)


@settings(deadline=None)
@given(st.lists(st.sampled_from(_PIECES), max_size=12).map("".join))
def test_whatever_stands_together_is_redacted_once_and_for_all(text: str) -> None:
    once = redact_text(text).text

    assert redact_text(once).text == once


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_redacted_once_and_for_all(text: str) -> None:
    once = redact_text(text).text

    assert redact_text(once).text == once


@settings(deadline=None, max_examples=40)
@given(
    st.recursive(
        st.sampled_from(_PIECES), lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(_PIECES), inner)
    )
)
def test_any_value_is_redacted_once_and_for_all(value: object) -> None:
    once = new_redactor().redact_value(value)

    assert new_redactor().redact_value(once) == once


@pytest.mark.parametrize("texts", [written(*CLAIMED), written(NOT_CLAIMED), list(generated(per_kind=20))])
def test_the_corpus_is_redacted_once_and_for_all(texts: list[Labelled]) -> None:
    for text in texts:
        once = redact_text(text.text).text
        assert redact_text(once).text == once


def test_texts_of_the_corpus_in_one_are_redacted_once_and_for_all() -> None:
    chance = random.Random(1)
    texts = [text.text for text in generated(per_kind=30)]
    for _ in range(40):
        once = redact_text("".join(chance.choices(texts, k=5))).text
        assert redact_text(once).text == once
