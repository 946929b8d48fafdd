"""Pairs for the preference formats."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training_archive.exports.material import example, lineage, records
from training_archive.exports.exceptions import NothingToExport

pytestmark = pytest.mark.django_db

Export = Callable[..., Any]


@pytest.fixture
def pairs_of(export_of: Export, out: Path) -> Callable[..., list[tuple[str, str]]]:
    """Export as preferences; (chosen, rejected) answers."""

    def run(rows: list[dict[str, Any]], **values: Any) -> list[tuple[str, str]]:
        export_of(rows, format="trl-preference", **values)
        return [(line["chosen"][0]["content"], line["rejected"][0]["content"]) for line in records(out)]

    return run


def test_a_correction_is_chosen_over_the_answer_that_it_corrects(pairs_of: Callable[..., Any], out: Path) -> None:
    rows = [example("a", response_strong="Wrong.", correction="Right."), example("b")]

    assert pairs_of(rows) == [("Right.", "Wrong.")]
    assert lineage(out)["a"][1:] == ("train", "")
    assert lineage(out)["b"][1:] == ("", "no other answer to pair with")


def test_the_best_rated_answer_is_chosen_over_each_worse_one(pairs_of: Callable[..., Any]) -> None:
    rows = [
        example("a", "Same?", response_strong="good", rating=5),
        example("b", "Same?", response_strong="fair", rating=3),
        example("c", "Same?", response_strong="bad", rating=1),
        example("d", "Same?", response_strong="unrated"),
        example("e", "Other?", response_strong="other", rating=2),
    ]

    assert sorted(pairs_of(rows)) == [("good", "bad"), ("good", "fair")]


def test_equal_ratings_and_equal_answers_are_no_preference(export_of: Export) -> None:
    rows = [
        example("a", "Same?", response_strong="one", rating=3),
        example("b", "Same?", response_strong="two", rating=3),
        example("c", "Other?", response_strong="same", rating=3),
        example("d", "Other?", response_strong="same", rating=1),
        example("e", response_strong="as it was", correction="as it was"),
    ]

    with pytest.raises(NothingToExport, match="There is not one pair"):
        export_of(rows, format="trl-preference")


def test_answers_to_one_prompt_in_two_tasks_are_not_paired(export_of: Export) -> None:
    rows = [
        example("a", "Same?", response_strong="one", rating=5),
        example("b", "Same?", response_strong="two", rating=3, task="nav"),
    ]

    with pytest.raises(NothingToExport, match="not one pair"):
        export_of(rows, format="openai-preference")


def test_a_partial_answer_is_in_no_pair_of_ratings(export_of: Export) -> None:
    rows = [
        example("a", "Same?", response_strong="one", rating=5, gleaner={"partial": True}),
        example("b", "Same?", response_strong="two", rating=3),
    ]

    with pytest.raises(NothingToExport, match="not one pair"):
        export_of(rows, format="openai-preference")


@pytest.mark.parametrize(("least", "count"), [(4, 2), (5, 1)])
def test_a_minimum_rating_is_asked_of_the_better_answer(pairs_of: Callable[..., Any], least: float, count: int) -> None:
    rows = [
        example("a", "Same?", response_strong="good", rating=4),
        example("b", "Same?", response_strong="bad", rating=1),
        example("c", response_strong="Wrong.", correction="Right."),
    ]

    assert len(pairs_of(rows, min_rating=least)) == count


def test_the_same_answer_given_twice_makes_one_pair(pairs_of: Callable[..., Any]) -> None:
    rows = [
        example("a", "Same?", response_strong="good", rating=4),
        example("b", "Same?", response_strong="bad", rating=1),
        example("c", "Same?", response_strong="bad", rating=2),
    ]

    assert pairs_of(rows) == [("good", "bad")]


def test_what_a_format_refuses_is_counted_with_its_reason(export_of: Export, out: Path) -> None:
    rows = [
        example("a", response_strong="Wrong.", correction="Right."),
        example("b", response_strong="", correction="Right."),
    ]

    report = export_of(rows, format="trl-preference")

    assert report.rows == 1
    assert report.left_out == {"the answer is empty": 1}
    assert lineage(out)["b"][1:] == ("", "the answer is empty")


def test_near_duplicates_of_a_question_go_with_all_their_answers(pairs_of: Callable[..., Any], out: Path) -> None:
    long = " ".join(f"word{n}" for n in range(100))
    rows = [
        example("a", long, response_strong="good", rating=4),
        example("b", long, response_strong="bad", rating=1),
        example("c", f"{long} more", response_strong="good", rating=4),
        example("d", f"{long} more", response_strong="bad", rating=1),
    ]

    assert pairs_of(rows, dedupe="near") == [("good", "bad")]
    assert {lineage(out)[name][2] for name in "cd"} == {"near duplicate"}
