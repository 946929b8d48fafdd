"""Asking for a run: what is accepted, what is kept of it, and what is refused without a trace."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from capture_app.budgets import note_spend
from capture_app.exceptions import BudgetSpent
from continuous_training.conf import loop_settings
from continuous_training.exceptions import ExportRefused, LoopError, NothingNew, TrainingRefused
from continuous_training.models import ExportedExample, TrainingRun
from continuous_training.models.exports import FORGOTTEN
from continuous_training.training import names
from continuous_training.training.folders import data_files, run_folder
from continuous_training.training.pairs import pair_digest
from continuous_training.training.requesting import request_run
from tests.unit.continuous_training.training.material import chat, chat_file, export_of, requested

pytestmark = pytest.mark.django_db


def left() -> list[str]:
    """What is in the folder of runs, but for the place of work in progress."""
    root = loop_settings().runs_folder
    return sorted(path.name for path in root.iterdir() if path.name != "tmp") if root.is_dir() else []


def test_a_run_is_queued_with_what_it_is_to_train_on(tmp_path: Path) -> None:
    first = chat_file(tmp_path / "a.jsonl", [chat("a"), chat("b")])
    second = chat_file(tmp_path / "b.jsonl", [chat("c")])

    run = requested(tmp_path, data=[first, second], options={"lr": 0.1})

    run.refresh_from_db()
    assert (run.state, run.trainer, run.device, run.base_model) == ("queued", "steps", "gpu", "base")
    assert (run.requested_by, run.options) == ("ada", {"lr": 0.1})
    assert run.data == {
        "source": "files",
        "pairs": 3,
        "unknown_pairs": 3,
        "files": [
            {
                "name": path.name,
                "path": str(path),
                "bytes": path.stat().st_size,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "pairs": pairs,
            }
            for path, pairs in ((first, 2), (second, 1))
        ],
    }
    copies = data_files(run_folder(run.pk))
    assert [path.read_bytes() for path in copies] == [first.read_bytes(), second.read_bytes()]


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("productpage_extractor", "productpage_extractor_2026w53-"),
        ("../../etc/passwd", "etc-passwd_2026w53-"),
        ("Größe & Preis", "gr-e-preis_2026w53-"),
        ("äö", "task_2026w53-"),
        ("x" * 300, "x" * 40 + "_2026w53-"),
    ],
)
def test_its_name_is_task_and_week_and_is_safe_whatever_the_task_is_called(task: str, name: str) -> None:
    run_id = names.new_run_id(task, datetime(2027, 1, 3, 23, 59, tzinfo=UTC))  # a Sunday of the old year's last week

    assert run_id.startswith(name)
    assert len(run_id) == len(name) + 6
    assert len(run_id) <= 64  # what services allow a suffix


def test_bad_lines_are_named_by_file_and_line_and_nothing_is_left(tmp_path: Path) -> None:
    good = chat_file(tmp_path / "good.jsonl", [chat("a")])
    bad = chat_file(tmp_path / "bad.jsonl", [chat("a"), {"prompt": "b"}, *[{}] * 12])

    with pytest.raises(TrainingRefused) as refused:
        requested(tmp_path, data=[good, bad])

    assert str(refused.value).splitlines()[:2] == [
        "13 lines cannot be trained on. No run was made; mend the files and ask again.",
        f"{bad}, line 2: it has no list of messages",
    ]
    assert str(refused.value).endswith("... and 3 more lines")
    assert (TrainingRun.objects.count(), left()) == (0, [])


@pytest.mark.parametrize(
    ("values", "kind", "words"),
    [
        ({"data": [Path("/nowhere.jsonl")]}, TrainingRefused, "/nowhere.jsonl is no file"),
        ({"data": [Path("/dev/zero")]}, TrainingRefused, "/dev/zero is no file"),
        ({"data": [Path("/dev/null")]}, TrainingRefused, "is no file"),
        ({"trainer": "other"}, LoopError, "There is no trainer 'other'"),
        ({"options": {"n_epochs": 1}}, TrainingRefused, "It knows no epochs. No run was made."),
        ({"task": " "}, TrainingRefused, "needs the name of a task"),
    ],
)
def test_what_cannot_be_run_is_refused_at_once(tmp_path: Path, values: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        requested(tmp_path, **values)

    assert (TrainingRun.objects.count(), left()) == (0, [])


def test_a_file_without_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingRefused, match="hold no line"):
        requested(tmp_path, data=[chat_file(tmp_path / "a.jsonl", [])])


@pytest.mark.parametrize(
    ("backend", "options", "words"),
    [
        ("tests.unit.continuous_training.training.material.StepTrainer", {"typo": 1}, "typo"),
        ("tests.unit.continuous_training.training.material.Nobody", {}, "Nobody"),
        ("pathlib.Path", {}, "is no Trainer"),
    ],
)
def test_a_trainer_that_cannot_be_made_from_its_settings_is_said_to(
    tmp_path: Path, loop: Callable[..., None], backend: str, options: dict[str, Any], words: str
) -> None:
    loop(TRAINERS={"steps": {"BACKEND": backend, "OPTIONS": options}})

    with pytest.raises(LoopError, match=rf"'steps' cannot be made .*{words}"):
        requested(tmp_path)


def test_with_the_budget_spent_no_run_is_accepted(tmp_path: Path, capture: Callable[..., None]) -> None:
    capture(BUDGETS={"shop": {"DAY": 1}})
    note_spend("shop", 2.0, purpose="training", key="other")

    with pytest.raises(BudgetSpent):
        requested(tmp_path)

    assert left() == []


def test_without_files_it_is_the_newest_export_of_the_task() -> None:
    export_of("mail", "other")
    files = export_of("shop", "a", "b")

    run = request_run("shop", by="ada")

    assert [each["path"] for each in run.data["files"]] == list(map(str, files))
    assert run.data["source"] == "export"


def test_an_export_that_is_not_what_was_written_is_not_trained_on() -> None:
    [path] = export_of("shop", "a")
    chat_file(path, [chat("planted, and longer")])

    with pytest.raises(ExportRefused, match="is not what was written there"):
        request_run("shop", by="ada")

    assert left() == []


def test_what_was_erased_on_request_cannot_be_brought_back_by_a_file(tmp_path: Path) -> None:
    path = chat_file(tmp_path / "kept.jsonl", [chat("a"), chat("b"), chat("c")])
    hashes = [pair_digest(line).hex() for line in path.read_bytes().splitlines()]
    for key, pair_hash, left_out in (
        ("gone", hashes[0], FORGOTTEN),
        ("also gone", hashes[1], FORGOTTEN),
        ("says the same", hashes[1], ""),
    ):
        ExportedExample.objects.create(pk=key, task="shop", pair_hash=pair_hash, left_out=left_out)

    with pytest.raises(TrainingRefused, match="1 pair in the files are of examples that were erased"):
        requested(tmp_path, data=[path])

    ExportedExample.objects.filter(pk="gone").delete()
    assert requested(tmp_path, data=[path]).data["unknown_pairs"] == 2


def test_a_task_that_was_never_exported_has_nothing_to_train_on() -> None:
    with pytest.raises(TrainingRefused, match=r"There is no export of the task 'shop' .*export_finetune"):
        request_run("shop", by="ada")


def test_a_run_only_for_what_is_new_needs_a_pair_that_the_last_one_was_not_given(tmp_path: Path) -> None:
    requested(tmp_path, only_new=True)

    with pytest.raises(NothingNew):
        requested(tmp_path, only_new=True)
    with pytest.raises(NothingNew):  # fewer, of the same: some were forgotten
        requested(tmp_path, data=[chat_file(tmp_path / "fewer.jsonl", [chat("What?")])], only_new=True)
    requested(tmp_path, task="other", only_new=True)
    TrainingRun.objects.filter(task="shop").update(state="failed")
    run = requested(tmp_path, only_new=True)  # a failed one has learnt nothing

    assert len(left()) == 3
    assert run.state == "queued"
