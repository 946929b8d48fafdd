"""What people said of examples in Django's database counts in exports as what came with the calls does."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pytest

from capture_app import record_feedback
from capture_app.judgments import annotations_of, save_review, set_tags
from capture_app.models import ExampleTag, Feedback, Review
from capture_app.services import drain_captures
from tests.unit.training_archive.exports.material import example, lineage, records, written_ids
from training_archive.exports import annotations
from training_archive.exports.annotations import annotated, bring_judgments
from training_archive.exports.exceptions import NothingToExport
from training_archive.exports.workspace import open_workspace
from training_archive.services import archive_training_data, rebuild_example_index

pytestmark = pytest.mark.django_db

Export = Callable[..., Any]


def metadata_of(out: Path) -> dict[str, dict[str, Any]]:
    """By id, as the format `extraction` has it."""
    return {record["id"]: record["metadata"] for record in records(out)}


def answers(out: Path) -> dict[str, str]:
    return {record["id"]: record["response_strong"] for record in records(out)}


# --- Filters ---------------------------------------------------------------------------------------------------------


def test_the_rating_filter_sees_verdicts_and_scores(export_of: Export, out: Path) -> None:
    save_review("good", by="ada", verdict="good")
    save_review("bad", by="ada", verdict="bad")
    record_feedback("praised", score=0.9)
    record_feedback("blamed", score=0.1)
    rows = [
        example(name, rating=1 if name in ("bad", "blamed") else 0) for name in ("good", "bad", "praised", "blamed")
    ]

    export_of([*rows, example("own", rating=0.8), example("none")], min_rating=0.5)

    assert sorted(written_ids(out)) == ["good", "own", "praised"]


def test_the_tag_filter_sees_tags_of_all_sources(export_of: Export, out: Path) -> None:
    set_tags(["a", "b"], add=["checked"], by="ada")

    export_of([example("a", tags=["shop"]), example("b"), example("c", tags=["shop"])], tags=("shop", "checked"))

    assert written_ids(out) == ["a"]


def test_a_comment_alone_changes_nothing(export_of: Export, out: Path) -> None:
    save_review("a", by="ada", comment="Looked at.")
    record_feedback("a", label="seen")
    rows = [example("a", rating=3, tags=["x"], correction="Right.", other={"k": None})]

    export_of(rows)

    assert metadata_of(out)["a"] == rows[0]["metadata"]


# --- What counts first -----------------------------------------------------------------------------------------------


def test_a_review_counts_before_the_newest_feedback_and_that_before_what_came_with_the_call(
    export_of: Export, out: Path
) -> None:
    for name in ("a", "b"):
        for day, said in enumerate([{"score": 0.9, "correction": "old"}, {"score": 0.1, "correction": "new"}, {}], 1):
            told = record_feedback(name, comment="Hm.", **said)  # type: ignore[arg-type]  # each is what its name says
            Feedback.objects.filter(pk=told.id).update(created_at=datetime(2026, 1, day, tzinfo=UTC))
    save_review("a", by="ada", verdict="good", correction="reviewed")

    export_of([example(name, rating=3, correction="own", response_strong="given") for name in ("a", "b", "c")])

    assert answers(out) == {"a": "reviewed", "b": "new", "c": "own"}
    found = metadata_of(out)
    assert [found[name]["rating"] for name in ("a", "b", "c")] == [1.0, 0.1, 3]


def test_of_feedback_of_one_moment_the_one_that_came_last_counts(export_of: Export, out: Path) -> None:
    for score in (0.1, 0.9):
        record_feedback("a", score=score)
    Feedback.objects.update(created_at=datetime(2026, 1, 1, tzinfo=UTC))

    export_of([example("a")])

    assert metadata_of(out)["a"]["rating"] == 0.9


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"rating": 3, "tags": ["own", "both"], "correction": "own"},
        {"rating": "bad", "tags": "none", "correction": 7},
        {"rating": None, "tags": None, "nested": {"null": None, "list": [1, "two"]}},
    ],
)
@pytest.mark.parametrize("judged", ["nothing", "tags", "feedback", "verdict", "correction"])
def test_exports_and_the_admin_agree(export_of: Export, out: Path, metadata: dict[str, Any], judged: str) -> None:
    if judged in ("tags", "correction"):
        set_tags(["a"], add=["both", "new"], by="ada")
    if judged in ("feedback", "verdict"):
        record_feedback("a", score=0.25, correction="told")
    if judged == "verdict":
        save_review("a", by="ada", verdict="bad")
    if judged == "correction":
        save_review("a", by="ada", correction='reviewed \u2028 "quoted" <b>\\ \'; DROP TABLE examples; --')

    export_of([example("a", **metadata), example("b")])

    seen = annotations_of(["a"], metadata=metadata_of(out))["a"]
    expected = annotations_of(["a"], metadata={"a": metadata})["a"]
    assert seen == expected
    assert answers(out)["a"] == (expected.correction or {"price": 5})


@pytest.mark.parametrize("metadata", [None, "[1]", '"text"', '{"a": NaN}', '{"n": 123456789012345678901234567890}'])
def test_metadata_of_any_shape_takes_a_correction(export_of: Export, out: Path, metadata: str | None) -> None:
    save_review("a", by="ada", verdict="good", correction="Right.")
    set_tags(["a"], add=["x"], by="ada")

    export_of([{**example("a"), "metadata": metadata}])

    assert answers(out) == {"a": "Right."}
    assert {"rating": 1.0, "tags": ["x"], "correction": "Right."}.items() <= metadata_of(out)["a"].items()


# --- What is made of them --------------------------------------------------------------------------------------------


def test_a_correction_becomes_the_answer_and_leaves_the_facts_of_the_call(export_of: Export, out: Path) -> None:
    save_review("a", by="ada", correction="Right.")

    export_of([example("a", response_strong="Wrong.", gleaner={"parameters": {"temperature": 0.5}})])

    assert answers(out) == {"a": "Right."}
    assert metadata_of(out)["a"]["gleaner"] == {"parameters": {"temperature": 0.5}}


@pytest.mark.parametrize("by", ["review", "feedback"])
def test_a_correction_is_chosen_over_the_answer_that_it_corrects(export_of: Export, out: Path, by: str) -> None:
    if by == "review":
        save_review("a", by="ada", verdict="bad", correction="Right.")
    else:
        record_feedback("a", score=0, correction="Right.")

    export_of([example("a", response_strong="Wrong.", correction="Nearly."), example("b")], format="trl-preference")

    [pair] = records(out)
    assert (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) == ("Right.", "Wrong.")
    assert lineage(out)["b"][1:] == ("", "no other answer to pair with")


def test_verdicts_make_a_pair_of_two_answers_to_one_prompt(export_of: Export, out: Path) -> None:
    save_review("a", by="ada", verdict="bad")
    save_review("b", by="ada", verdict="good")

    export_of(
        [example(name, "What does it cost?", response_strong=f"Answer {name}.") for name in ("a", "b")],
        format="trl-preference",
    )

    [pair] = records(out)
    assert (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) == ("Answer b.", "Answer a.")


def test_of_duplicates_the_best_judged_stays(export_of: Export, out: Path) -> None:
    save_review("a", by="ada", verdict="good")

    export_of([example(name, "What does it cost?") for name in ("a", "b")])

    assert written_ids(out) == ["a"]


def test_tables_hold_what_counts(export_of: Export, out: Path) -> None:
    save_review("a", by="ada", verdict="good")

    export_of([example("a", rating=0, page=1)], format="parquet")

    [path] = out.glob("**/train*.parquet")
    with duckdb.connect(":memory:") as connection:
        found = connection.execute("SELECT metadata FROM read_parquet(?)", [str(path)]).fetchall()
    assert [json.loads(metadata) for (metadata,) in found] == [{"rating": 1.0, "page": 1}]


def test_what_is_live_and_what_is_sealed_is_judged_as_well(
    capture_calls: Callable[..., list[str]], interrupted_run: Callable[..., None], export: Export, out: Path
) -> None:
    ids = capture_calls(1)
    archive_training_data()
    ids += capture_calls(1)
    interrupted_run()
    ids += capture_calls(1)
    drain_captures()
    ids += capture_calls(1)
    for number, each in enumerate(ids):
        record_feedback(each, correction=f"Right {number}.")

    export(source="both", dedupe="none")

    assert list(answers(out).values()) == [f"Right {number}." for number in range(4)]


def test_judgments_outlive_an_index_made_anew(
    capture_calls: Callable[..., list[str]], export: Export, out: Path
) -> None:
    ids = capture_calls(1)
    archive_training_data()
    set_tags(ids, add=["a"], by="ada")
    save_review(ids[0], by="ada", verdict="good")
    record_feedback(ids[0], correction="Right.")

    rebuild_example_index()
    export(min_rating=1, tags=("a",))

    assert answers(out) == {ids[0]: "Right."}
    assert [model._default_manager.count() for model in (Review, ExampleTag, Feedback)] == [1, 1, 1]


def test_judgments_of_other_examples_are_nobodys(export_of: Export, out: Path) -> None:
    record_feedback("elsewhere", score=1, correction="Right.")

    with pytest.raises(NothingToExport):
        export_of([example("a")], min_rating=1)


# --- How they are brought there --------------------------------------------------------------------------------------


def test_without_judgments_examples_are_read_as_they_are(tmp_path: Path) -> None:
    with open_workspace(tmp_path, 64) as workspace:
        bring_judgments(workspace)

        assert annotated(workspace, "chunk.examples") == "chunk.examples"


def test_they_come_in_pages(
    monkeypatch: pytest.MonkeyPatch, export_of: Export, out: Path, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    monkeypatch.setattr(annotations, "_CHARACTERS_AT_ONCE", 25)
    monkeypatch.setattr(annotations, "ROWS_AT_ONCE", 3)
    ids = [f"e-{number:02d}" for number in range(10)]
    for each in ids:
        save_review(each, by="ada", verdict="good", correction=f"Right {each}.")
        record_feedback(each, score=0, correction="Told.")
    set_tags(ids, add=["a"], by="ada")

    with django_assert_max_num_queries(60):
        export_of([example(each) for each in ids], split=(Fraction(1),), tags=("a",), min_rating=1)

    assert answers(out) == {each: f"Right {each}." for each in ids}


def test_more_corrections_than_memory_holds_can_be_brought(tmp_path: Path) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    told = (Feedback(example_id=f"e-{n}", correction=f"{n} " * 600, source="x", created_at=now) for n in range(30_000))
    Feedback.objects.bulk_create(told, batch_size=1000)

    with open_workspace(tmp_path, 64) as workspace:
        bring_judgments(workspace)

        [[count]] = workspace.rows("SELECT count(*) FROM work.judged WHERE row IS NOT NULL")
        [[size]] = workspace.rows("SELECT sum(strlen(correction)) FROM work.corrections")
        assert count == 30_000
        assert size > 96 * 2**20
