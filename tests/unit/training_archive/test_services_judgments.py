"""What people said of examples goes when those are erased or pruned, and stays otherwise."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from capture_app import call_llm, record_feedback
from capture_app.example import Example
from capture_app.exceptions import ExampleForgotten
from capture_app.judgments import JUDGMENTS, save_review, set_tags
from capture_app.models import ForgottenCorrection, ForgottenExample
from capture_app.services import drain_captures
from tests.unit.training_archive.material import row, write_database
from training_archive.exports.options import ExportOptions
from training_archive.exports.service import export_dataset
from training_archive.importing.service import import_examples
from training_archive.services import archive_training_data, forget, forgetting, prune_archive, rebuild_example_index
from training_archive.services import prune as prune_module

pytestmark = pytest.mark.django_db

Calls = Callable[..., list[str]]
YEAR = timedelta(days=365)
OLD = datetime(2020, 1, 1)  # naive, in UTC, as chunks have it


class Killed(BaseException):
    """Ends a run as a signal would."""


def judge(*ids: str) -> None:
    """Say four things of each."""
    set_tags(ids, add=["a", "b"], by="a reviewer")
    for each in ids:
        save_review(each, by="a reviewer", verdict="bad", correction=f"Right, {each}.")
        record_feedback(each, comment="It was about Ada.")


def judged() -> set[str]:
    return {key for model in JUDGMENTS for key in model._default_manager.values_list("example_id", flat=True)}


@pytest.fixture
def examples(capture_calls: Calls, interrupted_run: Callable[..., None]) -> dict[str, list[str]]:
    """One of ada's and one of bob's in a chunk, a sealed file, the live database and the inbox, all of them judged."""
    ids: dict[str, list[str]] = {"ada": [], "bob": []}
    for store in (archive_training_data, interrupted_run, drain_captures, lambda: None):
        for user, captured in ids.items():
            captured.extend(capture_calls(1, user_id=user))
        store()
    judge(*ids["ada"], *ids["bob"])
    return ids


# --- forget ----------------------------------------------------------------------------------------------------------


def test_what_is_said_of_erased_examples_is_erased_wherever_they_were(examples: dict[str, list[str]]) -> None:
    [receipt] = forget(user="ada", by="tester").receipts

    assert judged() == set(examples["bob"])
    assert (receipt.examples, receipt.removed["judgments"]) == (4, 16)
    for example_id in examples["ada"]:
        with pytest.raises(ExampleForgotten):
            record_feedback(example_id, score=1)


def test_what_is_said_of_an_id_that_no_file_holds_is_erased() -> None:
    judge("nowhere", "elsewhere")

    [receipt] = forget(ids=["nowhere"], by="tester").receipts

    assert judged() == {"elsewhere"}
    assert (receipt.examples, receipt.removed["judgments"]) == (0, 4)


def test_the_command_says_how_much_was_erased(command: Callable[..., str]) -> None:
    judge("nowhere")

    assert "4 judgments erased" in command("forget", "--id", "nowhere")


def withhold(example: Example) -> Example:
    raise ValueError("cannot")


@pytest.mark.parametrize("place", ["withheld", "quarantine"])
def test_what_is_said_of_a_record_put_aside_is_erased(place: str, capture: Callable[..., None], data_dir: Path) -> None:
    if place == "withheld":
        capture(REDACT=f"{__name__}.withhold")
        ids = [call_llm("Question", training_metadata={"user_id": user}).example_id or "" for user in ("ada", "bob")]
    else:
        ids = ["q-1", "q-2"]
        call_llm("Question", training_metadata={})
        [segment] = (data_dir / "spool").glob("*.jsonl")
        with segment.open("ab") as file:
            for example_id, user in zip(ids, ("ada", "bob"), strict=True):
                record = {"id": example_id, "created_at": "never", "metadata": {"gleaner": {"user_id": user}}}
                file.write(orjson.dumps(record) + b"\n")
        drain_captures()
    judge(*ids)

    [receipt] = forget(user="ada", by="tester").receipts

    assert judged() == {ids[1]}
    assert (receipt.removed[place], receipt.removed["judgments"]) == (1, 4)
    assert ForgottenExample.objects.get().pk == ids[0]


STEPS = ("_write_down", "erase_quarantined", "erase_judgments", "rewrite_without", "_remove_from_index", "_close")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_after_a_kill_the_next_run_erases_what_is_left(
    examples: dict[str, list[str]], step: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = getattr(forgetting, step)

    def die(*args: Any, **options: Any) -> Any:
        if moment == "after":
            real(*args, **options)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(forgetting, step, die)
        with pytest.raises(Killed):
            forget(user="ada", by="tester")

    forget(by="tester")

    assert judged() == set(examples["bob"])


@pytest.mark.parametrize("step", ["_search", "mark_blobs"])
def test_a_run_that_wrote_nothing_down_erased_nothing(
    examples: dict[str, list[str]], step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(forgetting, step, lambda *args: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            forget(user="ada", by="tester")

    assert judged() == {*examples["ada"], *examples["bob"]}


# --- An answer that people corrected, in a file that knows no ids ----------------------------------------------------


def exported(folder: Path) -> Path:
    """A training set of what is archived and live."""
    options = ExportOptions(format="openai-chat", split=None, dedupe="none")
    report = export_dataset(options=options, out=folder)
    lines = [line for path in folder.glob("*.jsonl") for line in path.read_bytes().splitlines()]
    assert len(lines) == report.rows
    path = folder.with_suffix(".jsonl")
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


@pytest.mark.parametrize("archived", [True, False])
def test_a_forgotten_example_does_not_come_back_with_any_answer_that_people_gave_it(
    archived: bool, capture_calls: Calls, tmp_path: Path
) -> None:
    [example_id] = capture_calls(1, user_id="ada", correction="Came with the call.")
    if archived:
        archive_training_data()
    files = [exported(tmp_path / "own")]
    record_feedback(example_id, correction="Told by a user.")
    files.append(exported(tmp_path / "told"))
    save_review(example_id, by="a reviewer", correction="Reviewed.")
    files.append(exported(tmp_path / "reviewed"))
    texts = [json.loads(path.read_text())["messages"][-1]["content"] for path in files]
    assert texts == ["Came with the call.", "Told by a user.", "Reviewed."]

    forget(user="ada", by="tester")

    for path in files:
        counts = import_examples([path]).counts
        assert (counts.forgotten, counts.imported) == (1, 0)
    kept = str(list(ForgottenCorrection.objects.values()))
    assert not any(text in kept for text in texts)


def test_after_a_kill_the_answers_that_people_gave_are_still_known(
    capture_calls: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [example_id] = capture_calls(1, user_id="ada")
    record_feedback(example_id, correction="Told by a user.")
    path = exported(tmp_path / "told")

    def die(*args: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(forgetting, "rotate_live_database", lambda **options: die())
        with pytest.raises(Killed):
            forget(user="ada", by="tester")
    assert judged() == set()

    forget(by="tester")

    assert import_examples([path]).counts.forgotten == 1


# --- prune and rebuild -----------------------------------------------------------------------------------------------


@pytest.fixture
def old_and_young(tmp_path: Path, capture_calls: Calls) -> list[str]:
    """A chunk of old examples (a, b) and a young example, all of them judged; the ids of the young."""
    database = write_database(tmp_path / "made" / "old.duckdb", [row(each, created_at=OLD) for each in ("a", "b")])
    archive_training_data(db_path=database)
    young = capture_calls(1)
    archive_training_data()
    rebuild_example_index()
    judge("a", "b", *young)
    return young


def test_what_is_said_of_pruned_examples_goes_with_them(old_and_young: list[str]) -> None:
    assert prune_archive(older_than=YEAR, dry_run=False).rows == 2

    assert judged() == set(old_and_young)


def test_a_dry_run_of_pruning_erases_nothing(old_and_young: list[str]) -> None:
    prune_archive(older_than=YEAR, dry_run=True)

    assert judged() == {"a", "b", *old_and_young}


@pytest.mark.parametrize("step", ["erase_judgments_of", "rewrite_zip"])
def test_a_killed_run_of_pruning_is_finished_by_the_next(
    old_and_young: list[str], step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = getattr(prune_module, step)

    def die(*args: Any, **options: Any) -> None:
        real(*args, **options)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(prune_module, step, die)
        with pytest.raises(Killed):
            prune_archive(older_than=YEAR, dry_run=False)

    prune_archive(older_than=YEAR, dry_run=False)

    assert judged() == set(old_and_young)


def test_an_index_made_anew_keeps_what_was_said(examples: dict[str, list[str]]) -> None:
    rebuild_example_index()

    assert judged() == {*examples["ada"], *examples["bob"]}
