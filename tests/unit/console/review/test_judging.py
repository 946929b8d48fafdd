"""A judgment is saved with its note, never over somebody else's, and can be taken back."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import QueryDict

from capture_app.exceptions import ExampleForgotten, InvalidJudgment
from capture_app.judgments import save_review, set_tags
from capture_app.models import ExampleIndex, ExampleTag, ForgottenExample, Review
from console.audit import REVIEWED, TAGGED
from console.models import AuditEvent
from console.review import judging
from console.review.judging import (
    ExampleGone,
    Judgment,
    JudgmentForm,
    MeanwhileJudged,
    Undo,
    digest,
    judge,
    stamp,
    take_back,
)

Index = Callable[..., ExampleIndex]
SECRET = "a secret word"


def tags() -> list[str]:
    return sorted(ExampleTag.objects.values_list("tag", flat=True))


def judged(user: User, judgment: Judgment, *, seen: str = "") -> Undo:
    undo = judge(user, "x", judgment, seen=seen)
    assert undo
    return undo


@pytest.fixture
def example(index: Index) -> ExampleIndex:
    return index("x")


@pytest.mark.usefixtures("example")
def test_all_that_was_said_is_saved_and_noted_without_a_word_of_it(anna: User) -> None:
    said = Judgment(verdict="bad", correction=SECRET, comment=SECRET, add=(SECRET,))

    undo = judge(anna, "x", said, seen="")

    review = Review.objects.get()
    assert (review.verdict, review.correction, review.comment) == ("bad", SECRET, SECRET)
    assert (review.reviewed_by, tags()) == ("anna", [SECRET])
    events = list(AuditEvent.objects.order_by("id").values("user", "action", "example", "details"))
    assert events == [
        {
            "user": "anna",
            "action": REVIEWED,
            "example": "x",
            "details": {"verdict": "bad", "correction": True, "comment": True},
        },
        {"user": "anna", "action": TAGGED, "example": "x", "details": {"added": 1, "removed": 0}},
    ]
    assert undo
    assert SECRET not in json.dumps(asdict(undo))


@pytest.mark.usefixtures("example")
def test_what_was_not_touched_stays_as_it_is(anna: User) -> None:
    before = save_review("x", by="bert", verdict="bad", correction="better", comment="hm")

    judged(anna, Judgment(verdict="good", correction="better", comment="hm"), seen=stamp(before))

    review = Review.objects.get()
    assert (review.verdict, review.correction, review.comment) == ("good", "better", "hm")
    assert AuditEvent.objects.get().details == {"verdict": "good"}


@pytest.mark.usefixtures("example")
def test_saying_nothing_new_changes_and_notes_nothing(anna: User) -> None:
    assert judge(anna, "x", Judgment(correction="", comment=""), seen="") is None

    assert not Review.objects.exists()
    assert not AuditEvent.objects.exists()


@pytest.mark.usefixtures("example")
def test_tags_are_added_and_removed(anna: User) -> None:
    set_tags(["x"], add=["old", "kept"], by="bert")

    assert judge(anna, "x", Judgment(add=("new",), remove=("old",)), seen="") is None

    assert tags() == ["kept", "new"]
    assert AuditEvent.objects.get().details == {"added": 1, "removed": 1}


@pytest.mark.usefixtures("example")
@pytest.mark.parametrize("before", [None, "good"])
def test_nothing_is_saved_over_what_somebody_else_said_meanwhile(anna: User, before: str | None) -> None:
    shown = save_review("x", by="anna", verdict=before) if before else None
    save_review("x", by="bert", verdict="bad")

    with pytest.raises(MeanwhileJudged):
        judge(anna, "x", Judgment(verdict="good", add=("new",)), seen=stamp(shown))

    assert Review.objects.get().verdict == "bad"
    assert tags() == []
    assert not AuditEvent.objects.exists()


@pytest.mark.usefixtures("example")
def test_a_judgment_that_cannot_be_noted_is_not_saved(anna: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("the trail cannot be written")

    monkeypatch.setattr(judging, "note", fail)

    with pytest.raises(OSError, match="trail"):
        judge(anna, "x", Judgment(verdict="good"), seen="")

    assert not Review.objects.exists()


@pytest.mark.usefixtures("example")
def test_a_tag_that_is_none_refuses_all_of_it(anna: User) -> None:
    with pytest.raises(InvalidJudgment):
        judge(anna, "x", Judgment(verdict="good", add=("a\nb",)), seen="")

    assert not Review.objects.exists()
    assert not AuditEvent.objects.exists()


def test_an_example_that_is_gone_cannot_be_judged(anna: User) -> None:
    with pytest.raises(ExampleGone):
        judge(anna, "never there", Judgment(verdict="good"), seen="")


@pytest.mark.usefixtures("example")
def test_an_example_that_is_being_forgotten_cannot_be_judged(anna: User) -> None:
    ForgottenExample.objects.create(id="x", erasure="e")

    with pytest.raises(ExampleForgotten):
        judge(anna, "x", Judgment(verdict="good"), seen="")

    assert not Review.objects.exists()


@pytest.mark.usefixtures("example")
def test_a_first_judgment_taken_back_leaves_nothing(anna: User) -> None:
    take_back(anna, judged(anna, Judgment(verdict="good", correction="better", comment="hm")))

    assert not Review.objects.exists()
    assert AuditEvent.objects.first().details == {"taken back": True, "verdict": ""}  # type: ignore[union-attr]  # it is there


@pytest.mark.usefixtures("example")
def test_a_second_judgment_taken_back_leaves_the_first_and_its_texts(anna: User) -> None:
    first = save_review("x", by="bert", verdict="bad", correction="better")

    take_back(anna, judged(anna, Judgment(verdict="good", comment="hm"), seen=stamp(first)))

    review = Review.objects.get()
    assert (review.verdict, review.correction, review.comment) == ("bad", "better", "")


@pytest.mark.usefixtures("example")
def test_what_was_judged_again_since_is_not_taken_back(anna: User) -> None:
    undo = judged(anna, Judgment(verdict="good"))
    save_review("x", by="bert", verdict="bad")

    with pytest.raises(MeanwhileJudged):
        take_back(anna, undo)

    assert Review.objects.get().verdict == "bad"


# --- What the form sends ---------------------------------------------------------------------------------------------


def read(**values: str) -> Judgment:
    data = QueryDict(mutable=True)
    data.update({"example": "x", **values})
    form = JudgmentForm(data)
    assert form.is_valid(), form.errors
    return form.judgment()


@pytest.mark.parametrize("answer", ["one\ntwo", "one\r\ntwo", "one\rtwo", "  one\ntwo\n", "a\0b"])
def test_an_answer_that_comes_back_as_it_was_is_no_correction(answer: str) -> None:
    sent = (
        answer.replace("\r\n", "\n")
        .replace("\r", "\n")
        .replace("\n", "\r\n")
        .replace("\0", "\N{REPLACEMENT CHARACTER}")
    )

    assert read(correction=sent, answer=digest(answer)).correction == ""


def test_a_correction_keeps_its_blanks_and_has_plain_line_ends() -> None:
    assert read(correction="  better\r\nanswer ", answer=digest("worse")).correction == "  better\nanswer "


def test_a_form_without_the_field_says_nothing_of_the_correction() -> None:
    assert read(verdict="good").correction is None


def test_nothing_but_blanks_takes_a_correction_back() -> None:
    assert read(correction=" \r\n", answer=digest("worse")).correction == ""


def test_tags_are_words_between_commas() -> None:
    assert read(tags=" a,, b c ,").add == ("a", "b c")


@pytest.mark.parametrize("values", [{"verdict": "perfect"}, {"comment": "x" * 10_001}, {"correction": "x" * 1_000_001}])
def test_what_no_button_sends_is_refused(values: dict[str, str]) -> None:
    assert not JudgmentForm({"example": "x", **values}).is_valid()
