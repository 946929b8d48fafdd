"""What was changed in an answer, word by word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.example_page.differences import ADDED, REMOVED, SAME, Piece, word_difference


def test_a_changed_word_is_taken_out_and_put_in() -> None:
    assert word_difference("it costs 12.50 EUR", "it costs 12.90 EUR") == [
        Piece(SAME, "it costs "),
        Piece(REMOVED, "12.50"),
        Piece(ADDED, "12.90"),
        Piece(SAME, " EUR"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "kinds"),
    [
        ("", "new", [ADDED]),
        ("old", "", [REMOVED]),
        ("same", "same", [SAME]),
        ("", "", []),
        ("a a", "a", [SAME, REMOVED]),
    ],
)
def test_the_ends_of_it(before: str, after: str, kinds: list[str]) -> None:
    assert [piece.kind for piece in word_difference(before, after) or []] == kinds


words = st.lists(st.sampled_from(["a", "b", " ", "\n", "12.5", "ü", "{", '"']), max_size=60).map("".join)


@given(words, words)
def test_what_stays_and_what_goes_is_the_old_text_and_with_what_comes_the_new_one(before: str, after: str) -> None:
    pieces = word_difference(before, after) or []

    assert "".join(piece.text for piece in pieces if piece.kind != ADDED) == before
    assert "".join(piece.text for piece in pieces if piece.kind != REMOVED) == after


def test_texts_of_many_words_are_compared_by_lines() -> None:
    before, after = "some words here\n" * 1500, "some words here\n" * 1499 + "others\n"

    assert (word_difference(before, after) or [])[1:] == [Piece(REMOVED, "some words here\n"), Piece(ADDED, "others\n")]


def test_texts_that_are_longer_than_a_page_shows_are_not_compared() -> None:
    assert word_difference("a" * 2_000_001, "b") is None
    assert word_difference("a", "b" * 2_000_001) is None


def test_texts_of_many_lines_are_not_compared_while_somebody_waits() -> None:
    assert word_difference("a\n" * 4000, "b\n" * 4000) is None
