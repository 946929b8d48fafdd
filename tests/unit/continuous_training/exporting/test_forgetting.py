"""Forgotten examples leave every exported file; receipts name what could not be reached."""

import shutil
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from capture_app.exceptions import JobBusy
from capture_app.put_aside import Wanted
from continuous_training.exporting import forgetting
from continuous_training.exporting.forgetting import EXPORT, GONE_EXPORT, PLACE, erase_pairs, made_from_exports
from continuous_training.exporting.locking import exports_locked
from continuous_training.exporting.service import export_finetune
from continuous_training.models import ExportedExample, FinetuneExport
from tests.unit.continuous_training.exporting.material import ANSWER, answers_in, files_in, said, several
from training_archive.copies import places
from training_archive.made_from import MadeFrom
from training_archive.services import archive_training_data, forget

pytestmark = pytest.mark.django_db


def holding(folder: Path, text: str) -> set[str]:
    """The files that hold the text."""
    return {name for name in files_in(folder) if text.encode() in (folder / name).read_bytes()}


def test_a_users_pairs_leave_every_file(exports: Path) -> None:
    said(answer="It costs nine pounds.", user_id="u")
    said(user_id="v")
    archive_training_data()
    export_finetune()
    assert len(holding(exports, "nine pounds")) == 4

    [receipt] = forget(user="u", by="ann").receipts

    assert holding(exports, "nine pounds") == set()
    assert len(holding(exports, ANSWER)) == 4
    assert receipt.removed[PLACE] == 1
    assert receipt.made_from_them == []


def test_manifests_and_rows_say_what_is_left(exports: Path) -> None:
    gone = said(answer="It costs nine pounds.")
    said()
    report = export_finetune()

    forget(ids=[gone], by="ann")

    manifest = orjson.loads((exports / f"{report.exports[0]}.manifest.json").read_bytes())
    assert FinetuneExport.objects.get().files == manifest["files"]
    assert [file["pairs"] for file in manifest["files"]] == [1, 1]
    assert {file["bytes"] for file in manifest["files"]} == {(exports / f"{report.exports[0]}.jsonl").stat().st_size}
    said(answer="It costs ten pounds.")
    export_finetune()
    assert answers_in(exports / "master_fine_tune.jsonl") == [ANSWER, "It costs ten pounds."]


def test_a_file_of_which_nothing_is_left_goes(exports: Path) -> None:
    gone = said(answer="It costs nine pounds.")
    report = export_finetune()

    forget(ids=[gone], by="ann")

    assert files_in(exports) == {f"{report.exports[0]}.manifest.json", "master_fine_tune.manifest.json"}


def test_a_pair_that_somebody_else_stands_for_stays(exports: Path) -> None:
    said(user_id="u", task="shop")
    said(user_id="v", task="books")
    export_finetune()

    forget(user="u", by="ann")

    assert {name for name in holding(exports, ANSWER) if "master" in name} == {
        "master_fine_tune.jsonl",
        "tasks/books/master_fine_tune.jsonl",
    }
    forget(user="v", by="ann")
    assert holding(exports, ANSWER) == set()


def test_only_what_is_full_of_other_pairs_is_left_alone(exports: Path, rules: Callable[..., None]) -> None:
    rules(MAX_FILE_BYTES=1000)
    ids = several(20)
    export_finetune()
    untouched = exports / "master_fine_tune-00002-of-00003.jsonl"
    inode = untouched.stat().st_ino

    forget(ids=[ids[0]], by="ann")

    assert untouched.stat().st_ino == inode
    assert holding(exports, "It costs 0 pounds") == set()
    said(answer="It costs 20 pounds, no more.")
    export_finetune()
    answers = [answer for path in sorted(exports.glob("master*.jsonl")) for answer in answers_in(path)]
    assert answers == [f"It costs {number} pounds, no more." for number in range(1, 21)]


def test_pairs_of_examples_that_were_pruned_are_found_by_their_user(exports: Path) -> None:
    said(user_id="u", conversation_id="c")
    export_finetune()

    assert erase_pairs(Wanted(users=["u"])) == 1
    assert holding(exports, ANSWER) == set()


def test_pairs_of_examples_that_were_pruned_are_found_by_their_conversation(exports: Path) -> None:
    said(user_id="u", conversation_id="c")
    export_finetune()

    assert erase_pairs(Wanted(conversations=["c"])) == 1


def test_who_shares_nothing_with_anybody_is_found_by_no_empty_name(exports: Path) -> None:
    said()
    export_finetune()

    assert erase_pairs(Wanted(users=[""], conversations=[""])) == 0


def test_erasing_again_erases_nothing(exports: Path) -> None:
    gone = said()
    export_finetune()

    assert [erase_pairs(Wanted(ids=[gone])) for _ in range(2)] == [1, 0]


def test_the_row_stays_for_what_learnt_from_it_and_the_same_pair_may_come_anew(exports: Path) -> None:
    gone = said()
    export_finetune()
    erase_pairs(Wanted(ids=[gone]))
    assert ExportedExample.objects.get(pk=gone).left_out == "forgotten"

    said()

    assert export_finetune().counts.pairs == 1


def test_what_was_left_out_leaves_no_row(exports: Path) -> None:
    gone = said(answer="five")
    export_finetune()

    erase_pairs(Wanted(ids=[gone]))

    assert not ExportedExample.objects.exists()


def test_an_export_is_named_as_made_from_its_examples(exports: Path) -> None:
    ids = several(2)
    report = export_finetune()

    assert list(made_from_exports(ids)) == [
        MadeFrom(kind=EXPORT, name=str(exports / report.exports[0]), examples=2),
    ]
    assert list(made_from_exports(["x"])) == []


def test_a_folder_that_is_gone_is_named_in_the_receipt(exports: Path, tmp_path: Path) -> None:
    gone = said()
    report = export_finetune()
    shutil.move(exports, tmp_path / "elsewhere")

    [receipt] = forget(ids=[gone], by="ann").receipts

    assert receipt.removed[PLACE] == 0
    assert [(made["kind"], made["name"]) for made in receipt.made_from_them] == [
        (GONE_EXPORT, str(exports / report.exports[0]))
    ]


def test_an_export_at_work_is_waited_for_and_then_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "_PATIENCE", 0.0)

    with exports_locked(), pytest.raises(JobBusy):
        erase_pairs(Wanted(ids=["a"]))


def test_receipts_have_a_place_for_them() -> None:
    assert PLACE in places()
