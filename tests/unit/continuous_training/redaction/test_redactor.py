"""Placeholders: the same value has the same one, offsets and counts are right, and what is allowed stays."""

import json
from collections.abc import Callable

import pytest

from continuous_training.redaction import new_redactor, redact_text
from tests.unit.continuous_training.redaction import name_finders


def test_the_same_value_has_the_same_placeholder() -> None:
    text = "ann@example.org, bob@example.org and Ann@Example.ORG"

    assert redact_text(text).text == "[EMAIL_1], [EMAIL_2] and [EMAIL_1]"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("(555) 123-4567", "+1 555 123 4567"),
        ("020 7946 0958", "+44 (0)20 7946 0958"),
        ("DE89 3704 0044 0532 0130 00", "de89370400440532013000"),
        ("4111 1111 1111 1111", "4111-1111-1111-1111"),
        ("2001:DB8::1", "2001:db8:0:0:0:0:0:1"),
        ("https://Example.com/a/", "HTTPS://EXAMPLE.COM/a"),
        ("@Ann_Lee", "@ann_lee"),
    ],
)
def test_two_spellings_of_a_value_are_one(first: str, second: str) -> None:
    redacted = redact_text(f"{first} or {second}")

    assert len(redacted.spans) == 2
    assert redacted.spans[0].placeholder == redacted.spans[1].placeholder


def test_a_phone_with_another_extension_is_another() -> None:
    assert redact_text("212-555-0123 ext. 1, 212-555-0123 ext. 2").text == "[PHONE_1], [PHONE_2]"


def test_spans_are_offsets_in_the_original() -> None:
    text = "Ünïcode 😀: mail ann@example.org, call +1 555 123 4567."

    redacted = redact_text(text)

    assert [text[span.start : span.end] for span in redacted.spans] == ["ann@example.org", "+1 555 123 4567"]
    assert [span.kind for span in redacted.spans] == ["EMAIL", "PHONE"]


def test_the_original_can_be_put_together_again_from_the_spans() -> None:
    text = "a@example.org https://example.com/x 4111111111111111 @ann 192.0.2.1 a@example.org"
    redacted = redact_text(text)

    again = redacted.text
    for span in redacted.spans:
        again = again.replace(span.placeholder, text[span.start : span.end], 1)

    assert again == text


def test_kinds_are_counted() -> None:
    assert redact_text("a@example.org b@example.org a@example.org 192.0.2.1").counts == {"EMAIL": 3, "IP": 1}


def test_a_redactor_knows_its_values_in_all_texts() -> None:
    redactor = new_redactor()

    texts = [redactor.redact(text).text for text in ("a@example.org", "b@example.org", "for a@example.org")]

    assert texts == ["[EMAIL_1]", "[EMAIL_2]", "for [EMAIL_1]"]
    assert redactor.counts == {"EMAIL": 3}


def test_a_placeholder_that_stands_in_the_text_is_never_given_to_another_value() -> None:
    assert redact_text("[EMAIL_1] and ann@example.org").text == "[EMAIL_1] and [EMAIL_2]"


def test_what_overlaps_is_one_stretch_of_the_longer_kind() -> None:
    redacted = redact_text("https://ann@example.org:443/?mail=bob@example.org&ip=192.0.2.1")

    assert redacted.text == "[URL_1]"
    assert redacted.counts == {"URL": 1}


def test_an_allowed_value_stays(redaction: Callable[..., None]) -> None:
    redaction(ALLOW=["support@example.org", "555-123-4567"])

    text = redact_text("support@example.org, ann@example.org, 555-123-4567").text

    assert text == "support@example.org, [EMAIL_1], 555-123-4567"


def test_a_part_of_an_allowed_value_is_not_found_instead(redaction: Callable[..., None]) -> None:
    redaction(ALLOW=["support@example.org"])

    assert redact_text("support@example.org").text == "support@example.org"  # and no URL example.org


def test_what_lies_within_an_allowed_pattern_stays(redaction: Callable[..., None]) -> None:
    redaction(ALLOW_PATTERNS=[r"ORD 555-\d{3}-\d{4}", r"https://docs\.example\.com/\S*"])

    text = redact_text("ORD 555-123-4567, 555-123-4567, https://docs.example.com/a, https://example.com").text

    assert text == "ORD 555-123-4567, [PHONE_1], https://docs.example.com/a, [URL_1]"


def test_only_the_rules_that_are_named_run(redaction: Callable[..., None]) -> None:
    redaction(RULES=["EMAIL"])

    assert redact_text("ann@example.org, 192.0.2.1, +1 555 123 4567").text == "[EMAIL_1], 192.0.2.1, +1 555 123 4567"


def test_national_numbers_are_those_of_the_regions(redaction: Callable[..., None]) -> None:
    redaction(REGIONS=["ES"])

    assert redact_text("612 34 56 78, 020 7946 0958, (555) 123-4567, +44 20 7946 0958").text == (
        "[PHONE_1], 020 7946 0958, (555) 123-4567, [PHONE_2]"
    )


def test_names_are_found_by_the_projects_own_function(redaction: Callable[..., None]) -> None:
    redaction(NER=f"{name_finders.__name__}.known_people")

    assert redact_text("Ann Lee wrote to bob; ANN  LEE? ann lee.").text == (
        "[NAME_1] wrote to [NAME_2]; ANN  LEE? [NAME_1]."
    )


def test_names_out_of_bounds_are_left(redaction: Callable[..., None]) -> None:
    redaction(NER=f"{name_finders.__name__}.out_of_bounds")

    assert redact_text("Ann Lee").text == "Ann Lee"


def test_without_a_function_no_name_is_found() -> None:
    assert redact_text("Ann Lee met Bob").text == "Ann Lee met Bob"


# --- Values: what is JSON stays JSON -------------------------------------------------------------------------------


def test_texts_are_redacted_at_any_depth_and_keys_are_not() -> None:
    value = {"ann@example.org": [{"to": ["ann@example.org", 5551234567, None, True, 1.5]}]}

    assert new_redactor().redact_value(value) == {
        "ann@example.org": [{"to": ["[EMAIL_1]", 5551234567, None, True, 1.5]}]
    }


@pytest.mark.parametrize(
    "arguments",
    [
        {"to": "ann@example.org", "text": 'line\n"quoted" ann@example.org\n', "n": 12345678901234567890},
        {"a": {"ann@example.org": "ann\u0040example.org", "b": [1.50, "x", {"c": "+1 555 123 4567"}]}},
        ["ann@example.org", {"password": "hunter2"}],
    ],
)
@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_a_text_that_is_json_stays_json_of_the_same_shape(arguments: object, ensure_ascii: bool) -> None:
    text = json.dumps(arguments, ensure_ascii=ensure_ascii, indent=1)

    redacted = new_redactor().redact_value(text)

    assert json.loads(redacted) == new_redactor().redact_value(arguments)
    assert redacted != text


def test_escapes_do_not_hide_a_value_in_json() -> None:
    assert new_redactor().redact_value(r'{"to": "ann\u0040example.org"}') == '{"to": "[EMAIL_1]"}'


def test_json_that_holds_nothing_private_is_not_written_anew() -> None:
    text = '{"b" : 1.50,  "a":"x\\u00e9", "a": "\\/"}'

    assert new_redactor().redact_value(text) == text


def test_numbers_in_json_stay_numbers() -> None:
    assert new_redactor().redact_value('{"phone": 5551234567}') == '{"phone": 5551234567}'


def test_json_within_json_is_json_still() -> None:
    inner = json.dumps({"to": 'ann@example.org "x"'})

    redacted = new_redactor().redact_value(json.dumps({"arguments": inner}))

    assert json.loads(json.loads(redacted)["arguments"]) == {"to": '[EMAIL_1] "x"'}


def test_json_that_is_torn_is_a_text() -> None:
    assert new_redactor().redact_value('{"to": "ann@example.org", ') == '{"to": "[EMAIL_1]", '


def test_a_key_says_what_its_value_is() -> None:
    value = {
        "phone": "5551234567",
        "order": "5551234567",
        "password": "hunter2",
        "name": "hunter2",
        "api_key": "abcd1234",
    }

    assert new_redactor().redact_value(value) == {
        "phone": "[PHONE_1]",
        "order": "5551234567",
        "password": "[SECRET_1]",
        "name": "hunter2",
        "api_key": "[SECRET_2]",
    }


def test_a_reference_to_an_image_stays() -> None:
    reference = "blob:sha256:" + "0123456789abcdef" * 4

    assert new_redactor().redact_value({"url": reference}) == {"url": reference}
