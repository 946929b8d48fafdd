"""System checks of the rules, and the names of tasks' folders."""

from typing import Any

import pytest

from continuous_training.exporting.checks import check_export_rules
from continuous_training.exporting.layout import slug_of
from continuous_training.exporting.rules import RULES


def ids(settings: Any, rules: Any) -> list[str | None]:
    settings.CONTINUOUS_TRAINING = {"EXPORT": rules}
    return [found.id for found in check_export_rules()]


def test_the_defaults_are_right(settings: Any) -> None:
    assert ids(settings, dict(RULES)) == []


@pytest.mark.parametrize(
    "rules",
    [
        {"MIN_CHARACTERS": -1},
        {"MIN_CHARACTERS": True},
        {"MAX_CHARACTERS": 0},
        {"TOO_LONG": "drop"},
        {"LEAVE_OUT_WITH": "[ACTION]"},
        {"LEAVE_OUT_WITH": [""]},
        {"MIN_RATING": float("nan")},
        {"MIN_RATING": "good"},
        {"SYSTEM_MESSAGE": 1},
        {"TASKS": ["shop"]},
        {"GROUP_BY": ["mood"]},
        {"EXCLUDED_TASKS": [7]},
        {"MAX_FILE_BYTES": 10},
        {"TASKS": {"shop": {"MIN_CHARACTERS": None}}},
    ],
)
def test_a_wrong_value_is_an_error(settings: Any, rules: dict[str, Any]) -> None:
    assert ids(settings, rules) == ["continuous_training.E032"]


@pytest.mark.parametrize(
    "rules", [[], {"MINIMUM": 10}, {"TASKS": {"shop": []}}, {"TASKS": {"shop": {"MAX_FILE_BYTES": 1000}}}]
)
def test_what_is_no_rule_is_an_error(settings: Any, rules: Any) -> None:
    assert ids(settings, rules) == ["continuous_training.E031"]


@pytest.mark.parametrize("task", ["shop", "navpage_classifier", "training.v1", "a-b"])
def test_a_plain_task_is_its_own_folder(task: str) -> None:
    assert slug_of(task) == task


@pytest.mark.parametrize(
    "task",
    ["Shop", "../etc", "a/b", ".", "..", "", "-rf", "x" * 300, "Größe", "名前", "a\nb", "a\0b", "\ud800", "CON "],
)
def test_any_other_task_has_a_safe_folder_that_no_other_has(task: str) -> None:
    slug = slug_of(task)

    assert slug != task
    assert len(slug) <= 69
    assert set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")
    assert slug[0].isalnum() or slug[0] == "_"
    assert slug != slug_of(f"{task}.")
