"""Files and rows come together: what an interrupted run, a lost folder or another host leaves is put right."""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError

from capture_app.put_aside import Wanted
from continuous_training.exporting import service
from continuous_training.exporting.forgetting import erase_pairs
from continuous_training.exporting.service import export_finetune
from continuous_training.models import ExportedExample, FinetuneExport
from tests.unit.continuous_training.exporting.material import ANSWER, answers_in, files_in, said

pytestmark = pytest.mark.django_db

STATE = FinetuneExport.State


class Killed(BaseException):
    """Ends a run as a signal would."""


def die(*arguments: Any, **options: Any) -> None:
    raise Killed


def killed_at(monkeypatch: pytest.MonkeyPatch, step: str, *, leaving: bool = True) -> None:
    """An export that dies when it comes to the step, and cleans nothing up."""
    with monkeypatch.context() as patched, suppress(Killed):
        patched.setattr(service, step, die)
        if leaving:
            patched.setattr(service, "discard", lambda export: None)
        export_finetune()


def test_what_was_decided_is_put_in_place_by_the_next_run(exports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said()
    killed_at(monkeypatch, "publish")
    assert FinetuneExport.objects.get().state == STATE.PUBLISHING
    assert not (exports / "master_fine_tune.jsonl").exists()

    assert export_finetune().counts.examples == 0

    assert answers_in(exports / "master_fine_tune.jsonl") == [ANSWER]
    assert FinetuneExport.objects.get().state == STATE.DONE
    assert not (exports / ".staging").exists()


def test_what_was_not_decided_is_removed_and_taken_anew(exports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said()
    killed_at(monkeypatch, "write_down")
    assert (exports / ".staging" / "plan.json").exists()

    export_finetune()

    assert answers_in(exports / "master_fine_tune.jsonl") == [ANSWER]
    assert FinetuneExport.objects.count() == 1


def test_forget_leaves_nothing_of_what_a_killed_run_staged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.CONTINUOUS_TRAINING = {"EXPORTS_FOLDER": str(tmp_path / "elsewhere")}
    gone = said()
    killed_at(monkeypatch, "write_down")
    settings.CONTINUOUS_TRAINING = {}

    erase_pairs(Wanted(ids=[gone]))

    assert files_in(tmp_path / "elsewhere") == set()


def test_a_run_that_fails_leaves_nothing(exports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said()

    killed_at(monkeypatch, "write_down", leaving=False)

    assert files_in(exports) == set()
    assert not FinetuneExport.objects.exists()


def test_when_the_staged_files_are_lost_their_examples_are_exported_anew(
    exports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said()
    killed_at(monkeypatch, "publish")
    shutil.rmtree(exports / ".staging")

    assert export_finetune().counts.pairs == 1

    assert answers_in(exports / "master_fine_tune.jsonl") == [ANSWER]


def test_an_export_whose_folder_is_away_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exports: Path
) -> None:
    said()
    killed_at(monkeypatch, "publish")
    exports.rename(tmp_path / "away")
    said(answer="It costs six pounds.")

    export_finetune(folder=tmp_path / "elsewhere")
    assert FinetuneExport.objects.filter(state=STATE.PUBLISHING).count() == 1

    (tmp_path / "away").rename(exports)
    export_finetune()
    assert answers_in(exports / "master_fine_tune.jsonl") == [ANSWER]
    assert answers_in(tmp_path / "elsewhere" / "master_fine_tune.jsonl") == ["It costs six pounds."]


def test_an_example_that_another_host_exports_at_the_same_time_is_not_written_twice(exports: Path) -> None:
    example_id = said()

    def meanwhile(stage: str, done: int, total: int) -> None:
        if stage == "writing files" and not ExportedExample.objects.exists():
            ExportedExample.objects.create(id=example_id, task="shop", pair_hash="h")

    with pytest.raises(IntegrityError):
        export_finetune(progress=meanwhile)

    assert files_in(exports) == set()
    assert not FinetuneExport.objects.exists()
