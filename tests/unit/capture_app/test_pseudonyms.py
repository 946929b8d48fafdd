"""Names for people that say nothing about them."""

import re
from collections.abc import Callable
from typing import Any

from capture_app import pseudonym


def test_it_is_32_hex_digits_and_says_nothing() -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", pseudonym("ann@example.org"))


def test_it_is_stable() -> None:
    assert pseudonym("42") == pseudonym("42") == pseudonym(42)


def test_no_two_share_one() -> None:
    assert len({pseudonym(number) for number in range(1000)}) == 1000


def test_it_changes_with_the_secret_key(settings: Any) -> None:
    before = pseudonym("42")
    settings.SECRET_KEY = "another"

    assert pseudonym("42") != before


def test_it_changes_with_its_own_key(capture: Callable[..., None]) -> None:
    before = pseudonym("42")
    capture(PSEUDONYM_KEY="its own")
    own = pseudonym("42")
    capture(PSEUDONYM_KEY="another")

    assert len({before, own, pseudonym("42")}) == 3


def test_with_its_own_key_it_outlives_a_new_secret_key(settings: Any, capture: Callable[..., None]) -> None:
    capture(PSEUDONYM_KEY="its own")
    before = pseudonym("42")
    settings.SECRET_KEY = "another"

    assert pseudonym("42") == before


def test_any_value_has_one() -> None:
    assert len({pseudonym(value) for value in ("", None, "größer", b"42", ("a", 1))}) == 5
