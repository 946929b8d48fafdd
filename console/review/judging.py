"""A reviewer's judgment: what the form says, saved with its note in the trail, and taken back.

Two may have the same example before them. So the form says which review it was shown with, and when there is another
one by then, nothing is saved: whoever comes second sees what the first one said, and decides.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.db import transaction

from capture_app.judged_values import COMMENT_CHARACTERS, CORRECTION_CHARACTERS, TAG_CHARACTERS
from capture_app.judgments import save_review, set_tags
from capture_app.models import ExampleIndex, Review
from console.audit import REVIEWED, TAGGED, note
from console.review.queue import User

_TEXTS: Final = ("correction", "comment")
_TAGS_AT_ONCE: Final = 20


class MeanwhileJudged(Exception):
    """Somebody else judged the example since it was shown. Nothing was saved."""


class ExampleGone(Exception):
    """The example was forgotten or pruned since it was shown. Nothing was saved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgment:
    """What a reviewer says of an example. None: nothing of that kind; an empty text takes back what is there."""

    verdict: str | None = None
    correction: str | None = None
    comment: str | None = None
    add: tuple[str, ...] = ()  # tags
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Undo:
    """How a judgment is taken back. It holds no text: it waits in the session, where erasing does not reach."""

    example: str
    verdict: str  # the one before
    fresh: list[str]  # which of the review's texts there were none of before
    saved: str  # the stamp of the review that the judgment made


class TagsField(forms.CharField):
    """Words between commas, as a list."""

    def clean(self, value: Any) -> list[str]:
        words = (word.strip() for word in str(super().clean(value)).split(","))
        return [word for word in words if word]


class RepeatedField(forms.Field):
    """Texts that were sent under one name."""

    widget = forms.MultipleHiddenInput

    def clean(self, value: Any) -> list[str]:
        return [str(text) for text in value or ()]


class JudgmentForm(forms.Form):
    """Reads what a reviewer says. A correction keeps its blanks: an answer may begin with some."""

    example = forms.CharField()
    seen = forms.CharField(required=False)  # the stamp of the review that was shown
    answer = forms.CharField(required=False)  # the digest of the answer that was shown
    verdict = forms.ChoiceField(required=False, choices=Review.Verdict.choices)
    correction = forms.CharField(required=False, strip=False, max_length=CORRECTION_CHARACTERS)
    comment = forms.CharField(required=False, max_length=COMMENT_CHARACTERS)
    tags = TagsField(required=False, max_length=_TAGS_AT_ONCE * (TAG_CHARACTERS + 2))
    untag = RepeatedField(required=False)  # each of the tags to be removed

    def judgment(self) -> Judgment:
        """What was said. Only call it when the form is valid."""
        given = self.cleaned_data
        return Judgment(
            verdict=given["verdict"] or None,
            correction=self._correction(),
            comment=_lines(given["comment"]) if "comment" in self.data else None,
            add=tuple(given["tags"]),
            remove=tuple(given["untag"]),
        )

    def _correction(self) -> str | None:
        """None when the page offered none to edit; "" for the answer as it is, and for nothing but blanks."""
        if "correction" not in self.data:
            return None
        text = _lines(self.cleaned_data["correction"])
        return "" if not text.strip() or digest(text) == self.cleaned_data["answer"] else text


def digest(text: str) -> str:
    """By this a text is known again that was sent to a browser and came back."""
    return hashlib.sha256(_lines(text).replace("\0", "\N{REPLACEMENT CHARACTER}").encode()).hexdigest()


def _lines(text: str) -> str:
    """Browsers end lines in their own way."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def stamp(review: Review | None) -> str:
    """Says which state of an example's review it is."""
    return review.reviewed_at.isoformat() if review else ""


def judge(user: User, example_id: str, judgment: Judgment, *, seen: str) -> Undo | None:
    """Save it, if the example's review is still the one that was `seen` (a stamp). How to take it back, if it can be.

    Raises MeanwhileJudged, ExampleGone, ExampleForgotten or InvalidJudgment; then nothing was saved.
    """
    with transaction.atomic():
        before = _locked_review(example_id, seen)
        changes = _changes(judgment, before)
        if changes:
            save_review(example_id, by=user.get_username(), **changes)
            note(user, REVIEWED, example=example_id, details=_without_text(changes))
        if judgment.add or judgment.remove:
            set_tags([example_id], add=judgment.add, remove=judgment.remove, by=user.get_username())
            counts = {"added": len(judgment.add), "removed": len(judgment.remove)}
            note(user, TAGGED, example=example_id, details=counts)
        after = Review.objects.filter(pk=example_id).first()
    if after is None or not changes:
        return None
    fresh = [name for name in _TEXTS if changes.get(name) and not getattr(before, name, "")]
    return Undo(example_id, before.verdict if before else "", fresh, stamp(after))


def take_back(user: User, undo: Undo) -> None:
    """Set the verdict back, and clear texts that were new. Raises as `judge` does."""
    with transaction.atomic():
        _locked_review(undo.example, undo.saved)
        cleared = dict.fromkeys(undo.fresh, "")
        save_review(undo.example, by=user.get_username(), verdict=undo.verdict, **cleared)
        note(user, REVIEWED, example=undo.example, details={"taken back": True, "verdict": undo.verdict})


def _locked_review(example_id: str, seen: str) -> Review | None:
    # The example's row, for there may be no review yet that could be locked.
    if ExampleIndex.objects.select_for_update().filter(pk=example_id).first() is None:
        raise ExampleGone
    review = Review.objects.filter(pk=example_id).first()
    if stamp(review) != seen:
        raise MeanwhileJudged
    return review


def _changes(judgment: Judgment, before: Review | None) -> dict[str, str]:
    """The fields of Review that it sets: a verdict also when it is the same again, texts when they are others."""
    said = {"verdict": judgment.verdict, "correction": judgment.correction, "comment": judgment.comment}
    was = {name: getattr(before, name, "") for name in _TEXTS}
    return {name: value for name, value in said.items() if value is not None and value != was.get(name)}


def _without_text(changes: Mapping[str, str]) -> dict[str, Any]:
    """What may stand in the trail: that there is a text, never which."""
    return {name: bool(value) if name in _TEXTS else value for name, value in changes.items()}
