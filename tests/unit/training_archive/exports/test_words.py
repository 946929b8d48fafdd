"""Text as words."""

import pytest

from training_archive.exports.words import ngrams, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What does it cost?", ["what", "does", "it", "cost"]),
        ("a-b_c, D.E", ["a", "b", "c", "d", "e"]),
        ("Stra\u00dfe CAF\u00c9 \uff21\uff22", ["strasse", "caf\u00e9", "ab"]),
        ("\u4f60\u597d world", ["\u4f60", "\u597d", "world"]),
        ("\u4f60a\u597d", ["\u4f60", "a", "\u597d"]),
        ("\u3053\u3093", ["\u3053", "\u3093"]),
        ("\ud55c\uad6d\uc5b4 \ub9d0", ["\ud55c\uad6d\uc5b4", "\ub9d0"]),
        ("1,000.50 USD", ["1", "000", "50", "usd"]),
        ("?! \u2026", []),
        ("", []),
        ("nul\x00byte\x1f", ["nul", "byte"]),
    ],
)
def test_words_have_no_case_and_no_punctuation(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_ascii_is_read_as_all_other_text_is() -> None:
    ascii_text = "".join(chr(code) for code in range(128)) + " Some More_text, e.g. 4.5"

    assert words(ascii_text) == words(ascii_text + "\u2026")


def test_ngrams_are_words_in_a_row() -> None:
    assert list(ngrams(["a", "b", "c"], 2)) == [("a", "b"), ("b", "c")]


def test_a_text_shorter_than_an_ngram_is_one() -> None:
    assert list(ngrams(["a", "b"], 2)) == [("a", "b")]
    assert list(ngrams(["a"], 2)) == [("a",)]
    assert list(ngrams([], 2)) == []
