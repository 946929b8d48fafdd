"""The keys of CONTINUOUS_TRAINING that evaluations read."""

from pathlib import Path
from typing import Any

import pytest

from continuous_training.checks import check_continuous_training_settings


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("EVALUATIONS_FOLDER", ""),
        ("EVALUATION_CONCURRENCY", 0),
        ("EVALUATION_CONCURRENCY", "4"),
        ("EVALUATION_CONCURRENCY", True),
        ("SCORERS", ["exact"]),
        ("SCORERS", {"tone": 7}),
        ("GOLD_SETS", "gold.jsonl"),
        ("GOLD_SETS", {"shop": None}),
    ],
)
def test_a_wrong_value_is_found(settings: Any, key: str, value: Any) -> None:
    settings.CONTINUOUS_TRAINING = {key: value}

    [found] = check_continuous_training_settings()

    assert found.id == "continuous_training.E002"
    assert f"[{key!r}] is {value!r}" in found.msg


def test_right_values_pass(settings: Any) -> None:
    settings.CONTINUOUS_TRAINING = {
        "EVALUATIONS_FOLDER": "/srv/evaluations",
        "EVALUATION_CONCURRENCY": 16,
        "SCORERS": {"tone": "shop.scorers.Tone"},
        "GOLD_SETS": {"shop": Path("gold.jsonl"), "mail": "/srv/mail.jsonl"},
    }

    assert check_continuous_training_settings() == []
