"""`finetune`, `training_runs` and `cancel_training`, as the shell runs them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from continuous_training.models import TrainingRun
from continuous_training.training.runs import advance_run
from tests.unit.continuous_training.training.material import chat, chat_file, requested

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command; what it prints."""

    def call(*arguments: Any) -> str:
        call_command(*map(str, arguments))
        return capsys.readouterr().out

    return call


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return chat_file(tmp_path / "chats.jsonl", [chat("a"), chat("b")])


def test_finetune_queues_a_run_for_a_worker(run: Callable[..., str], data: Path) -> None:
    arguments = ("--data", data, "--base-model", "other", "--option", "waits=100", "--option", "note=a=b")

    found = json.loads(run("finetune", "shop", *arguments, "--json"))

    row = TrainingRun.objects.get()
    assert (found["id"], found["state"], found["model"]) == (row.pk, "queued", None)
    assert (row.task, row.base_model, row.options) == ("shop", "other", {"waits": 100, "note": "a=b"})
    assert row.requested_by == "shell"
    assert "A worker takes it within a minute" in run("finetune", "mail", "--data", data)


def test_finetune_waits_for_the_model(run: Callable[..., str], data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = run("finetune", "shop", "--data", data, "--wait")

    row = TrainingRun.objects.get()
    assert f"{row.pk}  succeeded  steps, base, 2 pairs, 0.50 USD" in said
    assert f"  local/{row.pk}\n" in said
    assert "  chats.jsonl: 2 pairs, SHA-256 " in said


def test_finetune_ends_badly_when_the_run_does(run: Callable[..., str], data: Path) -> None:
    with pytest.raises(CommandError, match=r"is failed\. because"):
        run("finetune", "shop", "--data", data, "--option", 'raises=["TrainingFailed"]', "--wait")


def test_ctrl_c_leaves_a_run_that_can_go_on_and_says_how(run: Callable[..., str], data: Path) -> None:
    with pytest.raises(CommandError) as interrupted:
        run("finetune", "shop", "--data", data, "--option", 'raises=["KeyboardInterrupt"]', "--wait")

    row = TrainingRun.objects.get()
    assert interrupted.value.returncode == 130
    assert f"`manage.py finetune --resume {row.pk}` does it here" in str(interrupted.value)
    assert (row.state, row.worker) == ("training", "")
    assert f"{row.pk}  succeeded" in run("finetune", "--resume", row.pk)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["finetune", "shop", "--data", "/nowhere"], "/nowhere is no file"),
        (["finetune", "shop"], "There is no export of the task 'shop'"),
        (["finetune", "shop", "--option", "epochs"], "'epochs' is no option; write NAME=VALUE"),
        (["finetune"], "one of the arguments TASK --resume is required"),
        (["finetune", "--resume", "shop_x"], "There is no training run 'shop_x'"),
        (["training_runs", "--run", "shop_x"], "There is no training run 'shop_x'"),
        (["cancel_training", "shop_x"], "There is no training run 'shop_x'"),
    ],
)
def test_what_cannot_be_done_is_said(run: Callable[..., str], arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        run(*arguments)


def test_training_runs_lists_them_and_shows_one(run: Callable[..., str], tmp_path: Path) -> None:
    assert "There is no training run." in run("training_runs")
    first, second = requested(tmp_path), requested(tmp_path, task="mail")
    advance_run(first.pk)

    assert [line.split()[:2] for line in run("training_runs").splitlines()] == [
        [second.pk, "queued"],
        [first.pk, "succeeded"],
    ]
    assert run("training_runs", "--task", "mail").count("\n") == 1
    assert run("training_runs", "--limit", "1").startswith(second.pk)
    assert [each["id"] for each in json.loads(run("training_runs", "--json"))["runs"]] == [second.pk, first.pk]
    assert json.loads(run("training_runs", "--run", first.pk, "--json"))["model"] == {
        "provider": "local",
        "model": first.pk,
    }
    assert "  lines: 2\n" in run("training_runs", "--run", first.pk)


def test_cancel_training_ends_a_run_and_refuses_one_that_is_over(run: Callable[..., str], tmp_path: Path) -> None:
    row = requested(tmp_path)

    assert f"{row.pk}  cancelled" in run("cancel_training", row.pk)
    with pytest.raises(CommandError, match=r"is over \(cancelled\)"):
        run("cancel_training", row.pk)


def test_cancel_training_says_when_a_worker_still_has_to_stop(run: Callable[..., str], tmp_path: Path) -> None:
    row = requested(tmp_path)
    TrainingRun.objects.update(state="training", worker="host/1/x", heartbeat_at=row.requested_at)

    assert "It was asked to stop" in run("cancel_training", row.pk)
