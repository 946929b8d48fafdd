"""What five regular expressions for the same purpose are known to miss, and to take too much of: each is held here."""

import pytest

from continuous_training.redaction import redact_text


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Call (555) 123-4567 now", "Call [PHONE_1] now"),
        ("Call 555 123 4567 now", "Call [PHONE_1] now"),
        ("Call 555-123-4567 now", "Call [PHONE_1] now"),
        ("Call +44 20 7946 0958 now", "Call [PHONE_1] now"),
        ("Call +4915123456789 now", "Call [PHONE_1] now"),
        ("at www.example.com today", "at [URL_1] today"),
        ("at HTTPS://EXAMPLE.COM/A today", "at [URL_1] today"),
        ("Write to jürgen.groß@example.de", "Write to [EMAIL_1]"),
    ],
)
def test_what_they_miss_is_found(text: str, redacted: str) -> None:
    assert redact_text(text).text == redacted


@pytest.mark.parametrize(
    "text", ["Order 5551234567 is on its way", "We met in New York", "Thank You, Dear Reader", "id 4155552671"]
)
def test_what_they_take_too_much_of_stays(text: str) -> None:
    assert redact_text(text).text == text


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("See https://example.com/a.", "See [URL_1]."),
        ("See https://example.com/a, please", "See [URL_1], please"),
        ("(see https://example.com/a)", "(see [URL_1])"),
        ("See https://example.com/a_(b)!", "See [URL_1]!"),
        ("Is it ann@example.org?", "Is it [EMAIL_1]?"),
        ("Hi @ann, @bob. @eve!", "Hi [HANDLE_1], [HANDLE_2]. [HANDLE_3]!"),
        ("Call 555-123-4567.", "Call [PHONE_1]."),
        ('"https://example.com/a";', '"[URL_1]";'),
    ],
)
def test_punctuation_stays_outside(text: str, redacted: str) -> None:
    assert redact_text(text).text == redacted
