"""What the settings of trainers may be, and how the project gives training a worker of its own."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project

from continuous_training.checks import check_continuous_training_settings
from continuous_training.training.sending import QUEUE, TASK
from tests.unit.continuous_training.training.material import LOOP
from training_archive.copies import places

SERVE = Path(__file__).resolve().parents[4] / "project_settings/supervisord.conf"


@pytest.mark.parametrize("value", [LOOP, {**LOOP, "TRAIN_TASKS": ["shop"]}])
def test_what_is_right_is_silent(settings: Any, value: Any) -> None:
    settings.CONTINUOUS_TRAINING = value

    assert check_continuous_training_settings() == []


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("loop", "E001"),
        ({**LOOP, "TRAINER": "steps"}, "E001"),
        ({**LOOP, "TRAINERS": ["steps"]}, "E002"),
        ({**LOOP, "TRAINERS": {"steps": "a.b"}}, "E002"),
        ({**LOOP, "TRAINERS": {"steps": {"BACKEND": "a.b", "OPTION": {}}}}, "E002"),
        ({**LOOP, "TRAINERS": {"steps": {"BACKEND": "a.b", "OPTIONS": []}}}, "E002"),
        ({**LOOP, "TRAINERS": {"steps": {"BACKEND": "nowhere.Trainer"}}}, "E003"),
        ({**LOOP, "TRAINERS": {"steps": {"BACKEND": "continuous_training.nowhere.Trainer"}}}, "E003"),
        ({**LOOP, "TRAINERS": {"steps": {"BACKEND": "Trainer"}}}, "E003"),
        ({**LOOP, "TRAINERS": {"steps": {"BACKEND": ".Trainer"}}}, "E003"),
        ({**LOOP, "DEFAULT_TRAINER": "other"}, "E003"),
        ({**LOOP, "DEFAULT_TRAINER": ""}, "E002"),
        ({**LOOP, "DEFAULT_BASE_MODEL": 3}, "E002"),
        ({**LOOP, "TRAIN_TASKS": "shop"}, "E002"),
        ({**LOOP, "TRAIN_TASKS": [""]}, "E002"),
        ({**LOOP, "RUNS_FOLDER": ""}, "E002"),
    ],
)
def test_what_is_wrong_is_told_with_a_hint(settings: Any, value: Any, problem: str) -> None:
    settings.CONTINUOUS_TRAINING = value

    [found] = check_continuous_training_settings()

    assert found.id == f"continuous_training.{problem}"
    assert found.hint


def test_a_worker_of_its_own_takes_what_may_last_for_hours() -> None:
    assert project.CELERY_TASK_ROUTES[TASK] == {"queue": QUEUE}
    assert f"worker --queues {QUEUE} " in SERVE.read_text()


def test_runs_are_stopped_after_the_pairs_are_gone() -> None:
    """Or a run that is asked for between the two would learn from them."""
    assert places().index("exported pairs") < places().index("training runs")
