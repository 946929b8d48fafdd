"""What `manage.py check` says of CONTINUOUS_TRAINING["REDACTION"]."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from continuous_training.redaction.checks import check_redaction_settings
from continuous_training.redaction.settings import REDACTION
from tests.unit.continuous_training.redaction import name_finders


@pytest.mark.parametrize(
    "keys",
    [
        {},
        REDACTION,
        {"RULES": ["EMAIL"], "ALLOW": ["a"], "ALLOW_PATTERNS": [r"\d+"], "REGIONS": ["US", "MX"], "NER": ""},
    ],
)
def test_what_is_right_is_silent(redaction: Callable[..., None], keys: Any) -> None:
    redaction(**keys)

    assert check_redaction_settings() == []


@pytest.mark.parametrize(
    ("keys", "problem", "names"),
    [
        ({"RULE": ["EMAIL"]}, "E031", "'RULE'"),
        ({"RULES": ["EMAIL", "EMIAL"]}, "E032", "'EMIAL'"),
        ({"RULES": "EMAIL"}, "E032", "RULES"),
        ({"ALLOW": "New York"}, "E032", "ALLOW"),
        ({"ALLOW": [""]}, "E032", "ALLOW"),
        ({"ALLOW_PATTERNS": ["ok", "(unclosed"]}, "E032", "'(unclosed'"),
        ({"ALLOW_PATTERNS": [7]}, "E032", "ALLOW_PATTERNS"),
        ({"REGIONS": ["US", "Germany"]}, "E032", "'Germany'"),
        ({"REGIONS": None}, "E032", "REGIONS"),
        ({"NER": "nowhere.to.be.found"}, "E032", "'nowhere.to.be.found'"),
        ({"NER": 7}, "E032", "NER"),
        ({"NER": f"{name_finders.__name__}.NOT_A_FUNCTION"}, "E032", "no function"),
    ],
)
def test_what_is_wrong_is_named(redaction: Callable[..., None], keys: Any, problem: str, names: str) -> None:
    redaction(**keys)

    [message] = check_redaction_settings()

    assert message.id == f"continuous_training.{problem}"
    assert names in message.msg
    assert message.hint


def test_what_is_no_dict_is_said_so(settings: Any) -> None:
    settings.CONTINUOUS_TRAINING = {"REDACTION": ["EMAIL"]}

    [message] = check_redaction_settings()

    assert message.id == "continuous_training.E031"


def test_phones_without_their_library_are_an_error(
    redaction: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "phonenumbers", None)  # as where it is not installed
    redaction(REGIONS=["US"])

    [message] = check_redaction_settings()

    assert message.id == "continuous_training.E033"
