"""Each week, a run for the tasks that are to be kept trained."""

from collections.abc import Callable

import pytest

from continuous_training import tasks
from continuous_training.models import TrainingRun
from continuous_training.training.weekly import request_due_runs
from tests.unit.continuous_training.training.material import export_of

pytestmark = pytest.mark.django_db


def test_by_default_nothing_is_trained() -> None:
    tasks.request_weekly_runs()

    assert TrainingRun.objects.count() == 0


def test_a_task_is_trained_when_it_has_new_pairs(loop: Callable[..., None]) -> None:
    loop(TRAIN_TASKS=["shop", "mail", "never exported"])
    export_of("shop", "a", "b")
    export_of("mail", "c")

    first = request_due_runs()
    again = request_due_runs()
    export_of("mail", "c", "d")
    last = request_due_runs()

    assert [run.task for run in first] == ["shop", "mail"]
    assert again == []
    assert [(run.task, run.requested_by) for run in last] == [("mail", "schedule")]


def test_what_refuses_one_task_does_not_stop_the_others(
    loop: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    loop(TRAIN_TASKS=["broken", "shop"])
    export_of("broken", "a")[0].unlink()
    export_of("shop", "a")

    assert [run.task for run in request_due_runs()] == ["shop"]
    assert "No training run this week for the task 'broken'." in caplog.text
