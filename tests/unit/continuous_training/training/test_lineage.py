"""What was trained on examples that are forgotten is named, and what is about to be is stopped."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from capture_app.put_aside import Wanted
from continuous_training.exporting.layout import hash_of
from continuous_training.models import ExportedExample, TrainedModel, TrainingRun
from continuous_training.models.exports import FORGOTTEN
from continuous_training.training.folders import data_folder, run_folder
from continuous_training.training.lineage import stop_training_on
from continuous_training.training.runs import advance_run
from tests.unit.continuous_training.training.material import chat, chat_file, requested
from training_archive.made_from import MadeFrom, made_from

pytestmark = pytest.mark.django_db


@pytest.fixture
def exported(tmp_path: Path) -> Callable[..., list[Path]]:
    """A file with a pair of each of these examples, as an export has it."""

    def write(*ids: str) -> list[Path]:
        path = chat_file(tmp_path / f"{'-'.join(ids)}.jsonl", [chat(each) for each in ids])
        for example_id in ids:
            line = json.dumps(chat(example_id)).encode()
            ExportedExample.objects.get_or_create(
                pk=example_id, defaults={"task": "shop", "pair_hash": hashlib.sha256(line).hexdigest()}
            )
        return [path]

    return write


def model(run: TrainingRun, examples: int | None) -> MadeFrom:
    return MadeFrom(kind="model", name=f"local/{run.pk} (run {run.pk})", examples=examples)


def named(*ids: str) -> list[MadeFrom]:
    return [each for each in made_from(ids) if each.kind in ("model", "training run")]


def test_the_models_that_learnt_from_an_example_are_named(tmp_path: Path, exported: Callable[..., list[Path]]) -> None:
    first = requested(tmp_path, data=exported("a", "b", "c"))
    second = requested(tmp_path, data=exported("c", "d"))
    for run in (first, second):
        advance_run(run.pk)

    assert named("a", "b", "nobody") == [model(first, 2)]
    assert {each.name for each in named("c")} == {model(first, 1).name, model(second, 1).name}
    assert named("nobody") == []


def test_a_model_that_was_removed_is_not_named(tmp_path: Path, exported: Callable[..., list[Path]]) -> None:
    run = requested(tmp_path, data=exported("a"))
    done = advance_run(run.pk)
    TrainedModel.objects.update(removed_at=done.finished_at)

    assert named("a") == []


def test_of_a_model_that_was_given_lines_of_no_export_it_cannot_be_told(
    tmp_path: Path, exported: Callable[..., list[Path]]
) -> None:
    run = requested(tmp_path, data=[*exported("a"), chat_file(tmp_path / "own.jsonl", [chat("own")])])
    advance_run(run.pk)

    assert TrainingRun.objects.get().data["unknown_pairs"] == 1
    assert named("a") == [model(run, 1)]
    assert named("other") == [model(run, None)]


def test_of_a_model_whose_run_lost_its_folder_it_cannot_be_told(
    tmp_path: Path, exported: Callable[..., list[Path]]
) -> None:
    run = requested(tmp_path, data=exported("a"))
    advance_run(run.pk)
    (run_folder(run.pk) / "pairs.sha256").unlink()

    assert named("other") == [model(run, None)]


def test_a_run_that_would_learn_from_what_is_forgotten_is_stopped(
    tmp_path: Path, exported: Callable[..., list[Path]]
) -> None:
    queued = requested(tmp_path, data=exported("a", "b"))
    waiting = requested(tmp_path, data=exported("b", "c"), trainer="elsewhere", options={"waits": 100})
    other = requested(tmp_path, data=exported("d"), trainer="elsewhere")
    advance_run(waiting.pk)
    assert [each.kind for each in named("b")] == ["training run", "training run"]

    assert stop_training_on(Wanted(ids=["b"])) == 0  # nothing was erased yet
    ExportedExample.objects.filter(pk="b").update(left_out=FORGOTTEN)  # as the erasure of exported pairs leaves it
    assert stop_training_on(Wanted(ids=["b"])) == 2
    assert stop_training_on(Wanted(ids=["b"])) == 0  # as a run that goes on after a kill finds it

    states = {run.pk: advance_run(run.pk).state for run in (queued, waiting, other)}
    assert states == {queued.pk: "cancelled", waiting.pk: "cancelled", other.pk: "succeeded"}
    assert not any(data_folder(run_folder(run.pk)).exists() for run in (queued, waiting))
    assert TrainingRun.objects.get(pk=queued.pk).cancel_requested_by == "forget"
    assert named("b") == []


def test_many_examples_are_asked_for_in_batches(tmp_path: Path, exported: Callable[..., list[Path]]) -> None:
    ids = [f"example {number}" for number in range(2_000)]
    run = requested(tmp_path, data=[chat_file(tmp_path / "many.jsonl", [chat(each) for each in ids])])
    rows: list[Any] = [
        ExportedExample(pk=each, task="shop", pair_hash=hash_of(json.dumps(chat(each)).encode())) for each in ids
    ]
    ExportedExample.objects.bulk_create(rows)
    advance_run(run.pk)

    assert named(*ids) == [model(run, 2_000)]
