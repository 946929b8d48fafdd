"""Keyed hashes of what was asked and answered."""

from typing import Any

from capture_app.contents import content_hmac, possible_hmacs

ASKED = ("Be brief.", "What does it cost?")


def test_the_same_words_have_the_same_hash_however_they_are_spaced() -> None:
    assert content_hmac(*ASKED, "5 EUR") == content_hmac("Be  brief.\n", "What does\0it cost?", " 5\nEUR")


def test_json_has_the_same_hash_however_it_is_written() -> None:
    assert content_hmac(*ASKED, '{"a":1,"b":"c"}') == content_hmac(*ASKED, '{\n  "b": "c",\n  "a": 1\n}')


def test_other_words_have_another_hash_and_so_have_other_places() -> None:
    hashes = [content_hmac(*ASKED, "5 EUR"), content_hmac(*ASKED, "6 EUR"), content_hmac("", "Be brief.", "5 EUR")]

    assert len(set(hashes)) == 3
    assert content_hmac("a", "", "b") != content_hmac("", "a", "b")


def test_what_is_no_text_or_no_json_does_no_harm() -> None:
    assert len(content_hmac("\ud800", "{torn", "[torn")) == 64


def test_an_older_key_is_still_tried(settings: Any) -> None:
    settings.SECRET_KEY = "old"
    before = content_hmac(*ASKED, "5 EUR")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", ["older", "old"]

    assert content_hmac(*ASKED, "5 EUR") != before
    assert possible_hmacs(*ASKED, "5 EUR")[2] == before
