"""Texts that are made to be slow. `--long` takes a megabyte of each: a rule that looked back or ahead without end would
take hours then.
"""

import pytest

from continuous_training.redaction import new_redactor, redact_text

_SIZE, _LONG_SIZE = 2**16, 2**20


@pytest.fixture
def size(request: pytest.FixtureRequest) -> int:
    return _LONG_SIZE if request.config.getoption("--long") else _SIZE


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "unit",
    [
        *("a", "1", " ", ".", "-", "@", ":", "/", "[", "(", "+", "\\", '"', "é", "谢", "\n", "\0"),
        *("a.", "a@", "@a", "@a\n", "a@a.", "1.", "1 ", "1-", "1 2", "(1", "+1", "00", "0 ", "1:", "a:", "::", "1::"),
        *("http://", "://", "www.", "www.a", "a.com", ".com", "a.com/(", "http://a/)", "com.", "-a.de"),
        *("sk-", "-eyJ", "eyJa.", "xoxb-", "AKIA", "SG.", "1:AA", "ghp_", "_-", "Aa1", "Aa1-"),
        *(
            "password=",
            "password: ",
            'token="',
            "key",
            "api_key = ",
            "pass",
            "secret is ",
            "bearer ",
            "Bearer a1b2c3d4e5f6 ",
        ),
        *(
            "-----BEGIN ",
            "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN",
            "DE89",
            "DE89 3704 ",
            "4111 1111 ",
            "tel 1",
            "call ",
        ),
        *("[EMAIL_1]", "[A_1", "{", "[[", '{"a":', "x@y.zz ", "555-123-4567 ", "+44 20 7946 095", "2001:db8::1 "),
    ],
)
def test_a_hostile_text_is_read_in_passes_of_bounded_steps(unit: str, size: int) -> None:
    text = (unit * (size // len(unit) + 1))[:size]

    redact_text(text)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text", ['"' * _LONG_SIZE, "[" * _LONG_SIZE, '["' + "\\" * _LONG_SIZE + '"]', '{"a":' * 100_000]
)
def test_a_hostile_value_is_read_as_well(text: str) -> None:
    assert new_redactor().redact_value(text) == text


def test_lone_surrogates_and_nul_are_no_trouble() -> None:
    assert redact_text("\ud800 ann@example.org \0").text == "\ud800 [EMAIL_1] \0"
