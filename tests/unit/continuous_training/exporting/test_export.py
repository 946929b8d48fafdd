"""`export_finetune`: what is taken, what is left out, and that nothing is lost or taken twice."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import orjson
import pytest

from capture_app.exceptions import JobBusy
from capture_app.feedback import record_feedback
from capture_app.judgments import save_review
from capture_app.models import Job
from capture_app.services import drain_captures
from continuous_training.exceptions import ExportRefused
from continuous_training.exporting import candidates
from continuous_training.exporting.locking import JOB, exports_locked
from continuous_training.exporting.service import export_finetune
from continuous_training.models import ExportedExample, FinetuneExport, HeldOutExample
from tests.unit.continuous_training.exporting.material import (
    ANSWER,
    QUESTION,
    answers_in,
    files_in,
    lines_in,
    pairs_in,
    said,
    several,
)
from tests.unit.training_archive.material import row, write_archive
from training_archive.services import archive_training_data, rebuild_example_index
from training_archive.zip_archive import ChunkMember, extract_chunk

pytestmark = pytest.mark.django_db


def master(exports: Path) -> Path:
    return exports / "master_fine_tune.jsonl"


def test_what_is_archived_and_what_is_live_is_taken(exports: Path) -> None:
    said(answer="It costs six pounds.")
    archive_training_data()
    said()

    report = export_finetune()

    assert report.counts.pairs == 2
    assert answers_in(exports / f"{report.exports[0]}.jsonl") == ["It costs six pounds.", ANSWER]
    assert master(exports).read_bytes() == (exports / f"{report.exports[0]}.jsonl").read_bytes()


def test_only_chunks_that_hold_something_new_are_read(exports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def noted(archive: ZipFile, member: ChunkMember, *others: Any) -> Path:
        read.append(member.name)
        return extract_chunk(archive, member, *others)

    monkeypatch.setattr("training_archive.reader.extract_chunk", noted)
    said()
    archive_training_data()
    export_finetune()
    said(answer="It costs six pounds.")
    archive_training_data()
    read.clear()

    export_finetune()

    assert len(read) == 1
    assert answers_in(master(exports)) == [ANSWER, "It costs six pounds."]


def test_each_task_has_files_of_its_own(exports: Path) -> None:
    said(task="shop")
    said(question="Who wrote the blue book?", task="../Books")

    report = export_finetune()

    assert report.counts.tasks == {"../Books": 1, "shop": 1}
    assert files_in(exports) == {
        *(f"{report.exports[0]}{end}" for end in (".jsonl", ".manifest.json")),
        *(f"master_fine_tune{end}" for end in (".jsonl", ".manifest.json")),
        *(f"tasks/shop/{stem}.jsonl" for stem in (report.exports[0], "master_fine_tune")),
        *(f"tasks/books-2abc0278/{stem}.jsonl" for stem in (report.exports[0], "master_fine_tune")),
    }
    assert pairs_in(exports / "tasks/shop/master_fine_tune.jsonl") == [(QUESTION, ANSWER)]


def test_files_are_for_nobody_else(exports: Path) -> None:
    said()
    export_finetune()

    assert {path.stat().st_mode & 0o777 for path in exports.rglob("*") if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (exports, *exports.rglob("*/"))} == {0o700}


def test_a_second_run_of_the_day_takes_what_is_new(exports: Path) -> None:
    said()
    first = export_finetune()
    said(answer="It costs six pounds.")
    second = export_finetune()

    assert second.exports[0] == f"{first.exports[0]}-2"
    assert answers_in(exports / f"{second.exports[0]}.jsonl") == ["It costs six pounds."]
    assert answers_in(master(exports)) == [ANSWER, "It costs six pounds."]


def test_without_anything_new_no_file_is_made(exports: Path) -> None:
    said()
    export_finetune()
    before = files_in(exports)

    report = export_finetune()

    assert (report.exports, report.counts.examples, files_in(exports)) == ([], 0, before)


def test_where_nothing_was_ever_captured_no_folder_is_made(exports: Path) -> None:
    assert export_finetune().counts.is_nothing
    assert not exports.exists()


def test_what_is_no_pair_is_counted_once_and_not_looked_at_again(exports: Path) -> None:
    said(answer="five")

    assert export_finetune().counts.left_out == {"too short": 1}
    assert not exports.exists()
    assert export_finetune().counts.examples == 0


def test_an_example_that_comes_years_late_is_found(exports: Path, zip_path: Path) -> None:
    said()
    export_finetune()
    write_archive(zip_path, [row("old", created_at=datetime(2020, 1, 1), response_strong="It cost two pounds.")])
    rebuild_example_index()

    export_finetune()

    assert answers_in(master(exports)) == [ANSWER, "It cost two pounds."]


def test_what_a_narrow_run_passes_over_is_taken_later(exports: Path, zip_path: Path) -> None:
    old = row("old", created_at=datetime(2020, 1, 1), response_strong="It cost two pounds.")
    write_archive(zip_path, [old, row("other", created_at=datetime(2020, 1, 2), task="books", response_strong=ANSWER)])
    rebuild_example_index()
    said(answer="It costs six pounds.")

    export_finetune(since=datetime.now(UTC) - timedelta(hours=24))
    assert answers_in(master(exports)) == ["It costs six pounds."]

    export_finetune(tasks=["books"])
    assert answers_in(master(exports)) == ["It costs six pounds.", ANSWER]

    export_finetune()
    assert answers_in(master(exports)) == ["It costs six pounds.", ANSWER, "It cost two pounds."]


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ExportRefused, match="needs its zone"):
        export_finetune(since=datetime(2026, 1, 1))


def test_the_same_pair_of_two_examples_is_written_once(exports: Path) -> None:
    said("Where is ann@example.org now?")
    said("Where is bob@example.org now?")

    report = export_finetune()

    assert (report.counts.pairs, report.counts.repeated) == (1, 1)
    assert pairs_in(master(exports)) == [("Where is [EMAIL_1] now?", ANSWER)]
    assert ExportedExample.objects.filter(left_out="").count() == 2


def test_the_same_pair_of_two_tasks_is_once_in_all_and_once_in_each(exports: Path) -> None:
    said(task="shop")
    export_finetune()
    said(task="books")

    report = export_finetune()

    assert (report.counts.pairs, report.counts.tasks) == (0, {"books": 1})
    assert pairs_in(master(exports)) == [(QUESTION, ANSWER)]
    assert pairs_in(exports / "tasks/books/master_fine_tune.jsonl") == [(QUESTION, ANSWER)]


def test_lines_stand_by_user_then_by_conversation_in_the_order_of_time(exports: Path) -> None:
    for number, metadata in enumerate(
        [{"user_id": "u"}, {"conversation_id": "c"}, {}, {"user_id": "u"}, {"conversation_id": "c"}, {}]
    ):
        said(answer=f"It costs {number} pounds.", **metadata)

    export_finetune()

    assert [answer[9] for answer in answers_in(master(exports))] == ["0", "3", "1", "4", "2", "5"]


# --- What stays out --------------------------------------------------------------------------------------------------


def test_shadows_and_calls_of_the_toolkit_itself_stay_out(exports: Path, zip_path: Path) -> None:
    shadow = row("shadow", metadata={"gleaner": {"shadow_of": "a"}})
    write_archive(zip_path, [shadow, row("judge", task="continuous_training.judge", response_strong=ANSWER)])
    rebuild_example_index()
    said(task="training_files.enrichment")

    assert export_finetune().counts.left_out == {"a shadow's answer": 1}
    assert not exports.exists()


def test_a_task_that_only_the_metadata_name_is_excluded_too(zip_path: Path) -> None:
    hidden = row("hidden", task="", metadata={"task": "continuous_training.judge"}, response_strong=ANSWER)
    write_archive(zip_path, [hidden])
    rebuild_example_index()

    assert export_finetune().counts.left_out == {"excluded task": 1}


def test_capitals_do_not_make_a_task_an_excluded_one(exports: Path) -> None:
    said(task="Training_files.mine")

    assert export_finetune().counts.pairs == 1


def test_a_held_out_example_and_what_is_near_it_stay_out(exports: Path) -> None:
    words = "Please tell me what the large red lamp in the shop window costs today including delivery to my house"
    held = said(words)
    said(f"{words}, please")
    said("Who wrote the blue book that everybody talks about?")
    drain_captures()
    HeldOutExample.objects.create(
        id=held,
        task="shop",
        content_hash="h",
        messages=[{"role": "user", "content": words}],
        expected=ANSWER,
        held_out_at=datetime.now(UTC),
    )

    report = export_finetune()

    assert report.counts.left_out == {"held out": 1}
    assert [question for question, _ in pairs_in(master(exports))] == [
        "Who wrote the blue book that everybody talks about?"
    ]


def test_low_ratings_of_people_and_applications_stay_out(exports: Path) -> None:
    bad, low, good = several(3)
    save_review(bad, by="ann", verdict="bad")
    record_feedback(low, score=0.1)
    record_feedback(good, score=0.9)

    assert export_finetune().counts.left_out == {"low rating": 2}
    assert answers_in(master(exports)) == ["It costs 2 pounds, no more."]


# --- What people judge after an export -------------------------------------------------------------------------------


def test_a_correction_after_the_export_replaces_the_pair_in_the_master(exports: Path) -> None:
    first, _ = several(2)
    day = export_finetune()
    save_review(first, by="ann", correction="It costs nine pounds.")

    report = export_finetune()

    assert (report.counts.pairs, report.counts.withdrawn) == (1, 1)
    assert answers_in(exports / f"{report.exports[0]}.jsonl") == ["It costs nine pounds."]
    for lane in (exports, exports / "tasks/shop"):
        assert answers_in(master(lane)) == ["It costs 1 pounds, no more.", "It costs nine pounds."]
    assert len(lines_in(exports / f"{day.exports[0]}.jsonl")) == 2  # what a day wrote stays what it was
    assert export_finetune().counts.examples == 0


def test_a_bad_verdict_after_the_export_takes_the_pair_out_and_its_end_brings_it_back(exports: Path) -> None:
    first, _ = several(2)
    export_finetune()

    save_review(first, by="ann", verdict="bad")
    report = export_finetune()
    assert (report.counts.pairs, report.counts.withdrawn, report.files) == (0, 1, [])
    assert answers_in(master(exports)) == ["It costs 1 pounds, no more."]

    save_review(first, by="ann", verdict="")
    export_finetune()
    assert answers_in(master(exports)) == ["It costs 1 pounds, no more.", "It costs 0 pounds, no more."]


def test_a_pair_that_another_example_stands_for_stays(exports: Path) -> None:
    one, _ = said(), said()
    export_finetune()
    save_review(one, by="ann", verdict="bad")

    assert export_finetune().counts.withdrawn == 0
    assert pairs_in(master(exports)) == [(QUESTION, ANSWER)]


def test_the_last_pair_of_a_task_may_be_withdrawn(exports: Path) -> None:
    only = said()
    export_finetune()
    save_review(only, by="ann", verdict="bad")

    export_finetune()

    assert not master(exports).exists()
    assert not master(exports / "tasks/shop").exists()
    assert orjson.loads((exports / "master_fine_tune.manifest.json").read_bytes())["tasks"] == {}


def test_after_a_change_of_the_rules_what_was_left_out_is_reconsidered(
    exports: Path, rules: Callable[..., None]
) -> None:
    said(answer="five")
    said()
    export_finetune()
    rules(MIN_CHARACTERS=1)

    assert export_finetune().counts.examples == 0
    assert export_finetune(reconsider=True).counts.pairs == 1
    assert answers_in(master(exports)) == [ANSWER, "five"]


# --- Runs ------------------------------------------------------------------------------------------------------------


def test_a_dry_run_counts_and_changes_nothing(exports: Path) -> None:
    several(3)

    report = export_finetune(dry_run=True)

    assert (report.counts.pairs, report.exports) == (3, [])
    assert not exports.exists()
    assert (ExportedExample.objects.count(), FinetuneExport.objects.count()) == (0, 0)
    assert export_finetune().counts.pairs == 3


def test_two_runs_at_once_are_refused() -> None:
    with exports_locked(), pytest.raises(JobBusy, match="at work"):
        export_finetune()


@pytest.mark.parametrize("dry_run", [True, False])
def test_very_many_examples_are_exported_in_parts(
    exports: Path, monkeypatch: pytest.MonkeyPatch, dry_run: bool
) -> None:
    monkeypatch.setattr(candidates, "_PAGE", 2)
    monkeypatch.setattr(candidates, "_PAGES", 2)
    several(9)
    said(answer="five")

    report = export_finetune(dry_run=dry_run)

    assert (report.counts.pairs, report.counts.left_out) == (9, {"too short": 1})
    if not dry_run:
        assert len(report.exports) == 3
        assert len(answers_in(master(exports))) == 9


def test_what_a_run_did_is_noted_as_the_jobs_last(exports: Path) -> None:
    several(2)
    export_finetune()

    noted = Job.objects.get(name=JOB)
    assert (noted.state, noted.rows) == ("ok", 2)


def test_another_folder_has_a_master_of_its_own_and_nothing_is_taken_twice(exports: Path, tmp_path: Path) -> None:
    said()
    export_finetune()
    said(answer="It costs six pounds.")

    export_finetune(folder=tmp_path / "elsewhere")

    assert answers_in(master(tmp_path / "elsewhere")) == ["It costs six pounds."]
    assert answers_in(master(exports)) == [ANSWER]


def test_the_manifest_says_what_was_done(exports: Path) -> None:
    said("Where is ann@example.org now?")
    said(answer="five")

    report = export_finetune(tasks=["shop"])

    manifest = orjson.loads((exports / f"{report.exports[0]}.manifest.json").read_bytes())
    assert (manifest["pairs"], manifest["left_out"], manifest["redacted"]) == (1, {"too short": 1}, {"EMAIL": 1})
    assert manifest["asked"] == {"since": None, "tasks": ["shop"], "reconsider": False}
    assert manifest["files"] == [file.as_json() for file in report.files] == FinetuneExport.objects.get().files


def test_what_cannot_be_read_waits_for_the_next_run(exports: Path, zip_path: Path, tmp_path: Path) -> None:
    said()
    archive_training_data()
    away = zip_path.rename(tmp_path / "away.zip")
    said(answer="It costs six pounds.")

    assert export_finetune().counts.unread == 1

    away.rename(zip_path)
    export_finetune()
    assert answers_in(master(exports)) == ["It costs six pounds.", ANSWER]
