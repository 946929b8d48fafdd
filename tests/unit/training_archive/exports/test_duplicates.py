"""Exact and near duplicates: which one stays."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training_archive.exports.material import example, lineage, written_ids
from training_archive.exports.near_duplicates import _rows_per_band

pytestmark = pytest.mark.django_db

Export = Callable[..., Any]

LATER = datetime(2026, 2, 1)


def prompt(*, start: int = 0, count: int = 200, instead: dict[int, str] | None = None) -> str:
    """Words that all differ; `instead` replaces some of them."""
    return " ".join((instead or {}).get(n, f"word{n}") for n in range(start, start + count))


# --- Exact -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ({}, {"created_at": LATER}, "b"),
        ({"rating": 5}, {"rating": 4, "created_at": LATER}, "a"),
        ({"rating": 1}, {"created_at": LATER}, "a"),
        ({"rating": 5}, {"rating": 1, "correction": "Better."}, "b"),
        ({}, {"created_at": LATER, "gleaner": {"partial": True}}, "a"),
        ({}, {"created_at": LATER, "response_strong": ""}, "a"),
        ({}, {}, "b"),
    ],
)
def test_of_one_prompt_the_best_answer_stays(
    export_of: Export, out: Path, first: dict[str, Any], second: dict[str, Any], kept: str
) -> None:
    report = export_of([example("a", "Same?", **first), example("b", "Same?", **second)])

    assert written_ids(out) == [kept]
    assert report.left_out == {"exact duplicate": 1}
    assert lineage(out)[{"a": "b", "b": "a"}[kept]][1:] == ("", "exact duplicate")


def test_one_prompt_in_two_tasks_is_no_duplicate(export_of: Export, out: Path) -> None:
    export_of([example("a", "Same?"), example("b", "Same?", task="nav")])

    assert written_ids(out) == ["a", "b"]


def test_one_prompt_about_two_images_is_no_duplicate(export_of: Export, out: Path) -> None:
    def about(digit: str) -> dict[str, Any]:
        parts = [{"type": "text", "text": "Same?"}, {"type": "image_url", "image_url": {"url": f"https://x/{digit}"}}]
        return {"messages": [{"role": "user", "content": parts}]}

    rows = [example(name, "Same?", gleaner=about(digit)) for name, digit in (("a", "1"), ("b", "2"), ("c", "2"))]

    export_of(rows, dedupe="near")

    assert written_ids(out) == ["a", "c"]


def test_duplicates_stay_on_request(export_of: Export, out: Path) -> None:
    export_of([example("a", "Same?"), example("b", "Same?")], dedupe="none")

    assert written_ids(out) == ["a", "b"]


# --- Near ------------------------------------------------------------------------------------------------------------


def test_of_prompts_that_are_nearly_the_same_the_earliest_stays(export_of: Export, out: Path) -> None:
    rows = [
        example("c", prompt(instead={100: "else"}), created_at=LATER),
        example("a", prompt()),
        example("b", prompt(start=1000)),
    ]

    report = export_of(rows, dedupe="near")

    assert written_ids(out) == ["a", "b"]
    assert report.left_out == {"near duplicate": 1}
    assert lineage(out)["c"][1:] == ("", "near duplicate")


def test_exact_leaves_near_duplicates_alone(export_of: Export, out: Path) -> None:
    export_of([example("a", prompt()), example("b", prompt(instead={100: "else"}))], dedupe="exact")

    assert written_ids(out) == ["a", "b"]


@pytest.mark.parametrize(("threshold", "kept"), [(0.7, ["a", "b"]), (0.3, ["a"])])
def test_the_threshold_says_how_near_is_near(export_of: Export, out: Path, threshold: float, kept: list[str]) -> None:
    half = prompt(instead={n: f"else{n}" for n in range(60)})  # it shares 136 of 256 shingles

    export_of([example("a", prompt()), example("b", half)], dedupe="near", near_threshold=threshold)

    assert written_ids(out) == kept


def test_case_and_punctuation_make_no_difference(export_of: Export, out: Path) -> None:
    export_of([example("a", prompt()), example("b", prompt().upper().replace(" ", ", "))], dedupe="near")

    assert written_ids(out) == ["a"]


def test_a_conversation_that_grew_is_no_near_duplicate_of_its_beginning(export_of: Export, out: Path) -> None:
    rows = [example("a", prompt(count=100)), example("b", prompt(count=160)), example("c", prompt(count=260))]

    export_of(rows, dedupe="near")

    assert written_ids(out) == ["a", "b", "c"]


def test_what_is_near_only_what_goes_stays(export_of: Export, out: Path) -> None:
    """Turns of a long conversation, each near the one before: not all of them go for the first one."""
    rows = [example(f"{n}", prompt(count=count)) for n, count in enumerate((200, 220, 242, 266, 293))]

    export_of(rows, dedupe="near")

    kept = written_ids(out)
    assert kept[0] == "0"
    assert 2 <= len(kept) < len(rows)


def test_other_tasks_and_system_prompts_are_not_compared(export_of: Export, out: Path) -> None:
    rows = [
        example("a", prompt()),
        example("b", prompt(instead={5: "x"}), task="nav"),
        example("c", prompt(instead={6: "x"}), system_prompt="Translate it."),
    ]

    export_of(rows, dedupe="near")

    assert written_ids(out) == ["a", "b", "c"]


def test_a_date_in_the_system_prompt_makes_no_difference(export_of: Export, out: Path) -> None:
    rows = [
        example("a", prompt(), system_prompt="Today is 2026-01-01."),
        example("b", prompt(instead={5: "x"}), system_prompt="Today is 2026-01-02."),
    ]

    export_of(rows, dedupe="near")

    assert written_ids(out) == ["a"]


def test_prompts_without_words_are_not_compared(export_of: Export, out: Path) -> None:
    export_of([example("a", "???"), example("b", "!!!"), example("c", "…")], dedupe="near")

    assert written_ids(out) == ["a", "b", "c"]


def test_whole_answers_stay_rather_than_cut_ones(export_of: Export, out: Path) -> None:
    rows = [
        example("a", prompt(), gleaner={"partial": True}),
        example("b", prompt(instead={5: "x"}), created_at=LATER),
    ]

    export_of(rows, dedupe="near", format="trl-messages")

    assert lineage(out)["b"][1] == "train"


def test_among_many_near_duplicates_one_of_each_stays(export_of: Export, out: Path) -> None:
    rows = [
        example(f"{group:02}-{n:02}", prompt(start=1000 * group, instead={1000 * group + n: "else"}))
        for group in range(20)
        for n in range(15)
    ]

    report = export_of(rows, dedupe="near")

    assert written_ids(out) == [f"{group:02}-00" for group in range(20)]
    assert report.left_out == {"near duplicate": 280}


@pytest.mark.parametrize(("threshold", "slots"), [(1.0, 32), (0.95, 16), (0.85, 8), (0.7, 4), (0.5, 2), (0.01, 1)])
def test_bands_find_nearly_all_pairs_at_the_threshold(threshold: float, slots: int) -> None:
    assert _rows_per_band(threshold) == slots
