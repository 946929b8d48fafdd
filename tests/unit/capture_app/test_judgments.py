"""Reviews, tags and feedback: kept, read as one, erased."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from capture_app import record_feedback
from capture_app.exceptions import ExampleForgotten, InvalidJudgment
from capture_app.judgments import (
    Annotation,
    annotations_of,
    corrections_of,
    erase_judgments,
    erase_judgments_of,
    save_review,
    set_tags,
)
from capture_app.models import ExampleTag, Feedback, ForgottenExample, Review
from capture_app.services import drain_captures
from tests.unit.capture_app.captured import example, spool

pytestmark = pytest.mark.django_db


def annotation(example_id: str = "e-1", **metadata: Any) -> Annotation:
    return annotations_of([example_id], metadata={example_id: metadata})[example_id]


def tags(example_id: str) -> list[str]:
    return sorted(ExampleTag.objects.filter(example_id=example_id).values_list("tag", flat=True))


# --- Reviews ---------------------------------------------------------------------------------------------------------


def test_a_review_is_kept_with_who_and_when() -> None:
    save_review("e-1", by="ada", verdict="good", comment="Fine.")

    review = Review.objects.get()
    assert (review.pk, review.verdict, review.comment, review.correction) == ("e-1", "good", "Fine.", "")
    assert review.reviewed_by == "ada"
    assert (datetime.now(UTC) - review.reviewed_at).total_seconds() < 60


def test_what_is_not_said_stays_as_it_was() -> None:
    save_review("e-1", by="ada", verdict="bad", comment="Wrong.")
    save_review("e-1", by="bob", correction="12 EUR")

    review = Review.objects.get()
    assert (review.verdict, review.comment, review.correction) == ("bad", "Wrong.", "12 EUR")
    assert review.reviewed_by == "bob"


def test_an_empty_text_clears() -> None:
    save_review("e-1", by="ada", verdict="bad", comment="Wrong.", correction="12 EUR")
    save_review("e-1", by="ada", verdict="", correction="  ")

    review = Review.objects.get()
    assert (review.verdict, review.correction, review.comment) == ("", "", "Wrong.")


def test_a_review_of_which_nothing_is_left_is_none() -> None:
    save_review("e-1", by="ada", verdict="bad")

    assert save_review("e-1", by="ada", verdict="") is None
    assert not Review.objects.exists()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"verdict": "fine"}, "verdict"),
        ({"verdict": 1}, "verdict"),
        ({"comment": "x" * 10_001}, "comment"),
        ({"correction": "x" * 1_000_001}, "correction"),
        ({}, "review"),
    ],
)
def test_a_review_that_cannot_be_kept_is_refused(values: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidJudgment) as error:
        save_review("e-1", by="ada", **values)

    assert error.value.field == field
    assert not Review.objects.exists()


def test_what_was_forgotten_is_not_reviewed() -> None:
    ForgottenExample.objects.create(pk="e-1", erasure="x")

    with pytest.raises(ExampleForgotten):
        save_review("e-1", by="ada", verdict="good")
    assert not Review.objects.exists()


# --- Tags ------------------------------------------------------------------------------------------------------------


def test_tags_are_put_on_and_taken_off() -> None:
    assert set_tags(["e-1", "e-2"], add=["a", "b"], by="ada") == 2
    assert set_tags(["e-2"], add=["c"], remove=["a", "z"], by="bob") == 1

    assert (tags("e-1"), tags("e-2")) == (["a", "b"], ["b", "c"])
    assert ExampleTag.objects.get(tag="c").tagged_by == "bob"


def test_a_tag_is_put_on_once() -> None:
    for by in ("ada", "bob"):
        set_tags(["e-1", "e-1"], add=["a", " a ", "a"], by=by)

    assert ExampleTag.objects.get().tagged_by == "ada"


def test_tags_that_look_alike_are_one() -> None:
    set_tags(["e-1"], add=["caf\u00e9", "cafe\u0301", "two  words", "two words"], by="ada")

    assert tags("e-1") == ["caf\u00e9", "two words"]


@pytest.mark.parametrize("tag", ["", "  ", "a\nb", "a\tb", "a\0b", "a\u202eb", "a\u2028b", "x" * 101, 7, None])
def test_what_is_no_tag_is_refused_and_nothing_is_tagged(tag: Any) -> None:
    with pytest.raises(InvalidJudgment, match="tag"):
        set_tags(["e-1"], add=["fine", tag], by="ada")
    assert not ExampleTag.objects.exists()


def test_a_text_in_the_place_of_tags_is_refused() -> None:
    with pytest.raises(InvalidJudgment, match="one of a list"):
        set_tags(["e-1"], add="tag", by="ada")


def test_a_tag_cannot_be_put_on_and_taken_off_at_once() -> None:
    with pytest.raises(InvalidJudgment, match="both added and removed"):
        set_tags(["e-1"], add=["a"], remove=["a"], by="ada")


def test_words_of_all_scripts_are_tags() -> None:
    wanted = ["\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u0646\u0627\u0645\u0647\u200c\u0627\u06cc", "x" * 100]

    set_tags(["e-1"], add=wanted, by="ada")

    assert tags("e-1") == sorted(wanted)


def test_what_was_forgotten_is_not_tagged_and_the_others_are() -> None:
    ForgottenExample.objects.create(pk="e-1", erasure="x")

    assert set_tags(["e-1", "e-2"], add=["a"], by="ada") == 1
    assert list(ExampleTag.objects.values_list("example_id", flat=True)) == ["e-2"]


def test_thousands_are_tagged_at_once(django_assert_max_num_queries: Callable[..., Any]) -> None:
    ids = [f"e-{number}" for number in range(2000)]

    with django_assert_max_num_queries(40):
        assert set_tags(ids, add=["a", "b"], remove=["c"], by="ada") == 2000

    assert ExampleTag.objects.count() == 4000


# --- What is said all in all -----------------------------------------------------------------------------------------


def test_of_what_nobody_judged_there_is_nothing_to_say() -> None:
    assert annotation() == Annotation((), None, "")


def test_what_came_with_the_call_counts_when_nobody_says_more() -> None:
    assert annotation(tags=["b", "a"], rating=3, correction="12 EUR") == Annotation(("a", "b"), 3.0, "12 EUR")


@pytest.mark.parametrize(
    "metadata", [{"tags": "a"}, {"tags": ["a", 1]}, {"rating": "5"}, {"rating": True}, {"correction": 1}]
)
def test_what_has_another_shape_counts_as_not_given(metadata: dict[str, Any]) -> None:
    assert annotation(**metadata) == Annotation()


def test_feedback_counts_before_what_came_with_the_call() -> None:
    record_feedback("e-1", score=0.25, correction="13 EUR")

    assert annotation(rating=3, correction="12 EUR") == Annotation((), 0.25, "13 EUR")


def test_the_newest_feedback_counts_that_says_such_a_thing() -> None:
    for number, said in enumerate([{"score": 1, "correction": "old"}, {"score": 0}, {"comment": "Hm."}]):
        told = record_feedback("e-1", **said)  # type: ignore[arg-type]  # each is what its name says
        Feedback.objects.filter(pk=told.id).update(created_at=datetime(2026, 1, 1 + number, tzinfo=UTC))

    assert annotation() == Annotation((), 0.0, "old")


@pytest.mark.parametrize(("verdict", "rating"), [("good", 1.0), ("bad", 0.0), ("", 0.5)])
def test_a_verdict_counts_before_feedback(verdict: str, rating: float) -> None:
    record_feedback("e-1", score=0.5)
    save_review("e-1", by="ada", verdict=verdict, comment="Looked at.")

    assert annotation(rating=3).rating == rating


def test_a_reviewed_correction_counts_before_all_others() -> None:
    save_review("e-1", by="ada", correction="right")
    record_feedback("e-1", correction="told later")

    assert annotation(correction="came with it").correction == "right"


def test_tags_of_all_sources_count() -> None:
    set_tags(["e-1"], add=["c", "a"], by="ada")

    assert annotation(tags=["b", "a"]).tags == ("a", "b", "c")


def test_a_page_of_examples_is_annotated_in_three_queries(django_assert_num_queries: Callable[..., Any]) -> None:
    ids = [f"e-{number}" for number in range(100)]
    set_tags(ids[:50], add=["a"], by="ada")
    record_feedback("e-1", score=0.5)

    with django_assert_num_queries(3):
        found = annotations_of(ids)

    assert list(found) == ids
    assert (found["e-1"], found["e-99"]) == (Annotation(("a",), 0.5, ""), Annotation())


def test_all_corrections_that_were_given_are_known() -> None:
    record_feedback("e-1", correction="one")
    record_feedback("e-1", correction="two")
    save_review("e-1", by="ada", correction="three")
    record_feedback("e-2", score=1)

    assert corrections_of(["e-1", "e-2"]) == {"e-1": {"one", "two", "three"}}


# --- Erasing ---------------------------------------------------------------------------------------------------------


def judge(*ids: str) -> None:
    set_tags(ids, add=["a", "b"], by="ada")
    for each in ids:
        save_review(each, by="ada", verdict="bad")
        record_feedback(each, comment="It was about Ada.")


def test_all_that_is_said_of_an_example_is_erased() -> None:
    judge("e-1", "e-2")

    assert erase_judgments(["e-1", "e-3"]) == 4
    assert erase_judgments(["e-1"]) == 0
    for model in (Review, ExampleTag, Feedback):
        assert set(model._default_manager.values_list("example_id", flat=True)) == {"e-2"}


def test_all_that_is_said_of_a_generation_is_erased() -> None:
    spool(example(id="e-1"), example(id="e-2"))
    drain_captures()
    judge("e-1", "e-2", "elsewhere")
    generation = Review.objects.get(pk="e-1").example.generation

    assert erase_judgments_of(generation) == 8
    assert Review.objects.get().pk == "elsewhere"
