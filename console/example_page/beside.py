"""What lies around an example: what people said of it, the same question, its conversation, its neighbours, its trail.

Every query is bounded, whatever the index holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact
from django.utils.http import urlencode

from capture_app.index import PREVIEW_CHARACTERS
from capture_app.judgments import CORRECTION, RATING, TAGS
from capture_app.models import ExampleIndex, ExampleTag, Feedback, Review
from capture_app.shown import Budget, Text, short
from console.example_page.addresses import page_address
from console.example_page.contents import Contents
from console.example_page.differences import Piece, word_difference
from console.examples.places import Place, beyond
from console.models import AuditEvent

ANCHOR: Final = "call"  # of the query string: the id of the call around which a conversation's calls are shown

_MOST_FEEDBACK: Final = 20
_MOST_TAGS: Final = 100
_MOST_SIBLINGS: Final = 10
_FEW: Final = 2_000  # examples that can be sorted for one page
_CALLS_EACH_WAY: Final = 5  # of a conversation, around the one that is looked at
_MOST_EVENTS: Final = 20
_PREVIEW: Final = 90  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What an application, or its users, said."""

    at: datetime
    source: str
    score: float | None
    label: str = ""
    comment: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """The answer as it should have been."""

    source: str
    text: Text
    difference: list[Piece] | None  # None: too long to be compared


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgments:
    """All that was said of an example. Words are missing for who may see no text."""

    review: Review | None
    reviewer: str = ""
    comment: Text | None = None
    opinions: list[Opinion] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    given: str = ""  # the rating that came with the call
    correction: Correction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Another call, as a line of a table."""

    url: str
    at: datetime
    task: str
    model: str
    prompt: str
    response: str
    is_this: bool = False
    same_answer: str = ""  # yes, no; as far as the index can tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A stretch of a conversation's calls, in the order of time."""

    calls: list[Call]
    earlier: str = ""  # the query string for a stretch of earlier ones; "": there are none
    later: str = ""


# --- What people said ------------------------------------------------------------------------------------------------


def judgments(example_id: str, contents: Contents | None, budget: Budget, *, with_words: bool) -> Judgments:
    """Of the review, the feedback and what came with the call. `contents` is None when the example was not found."""
    review = Review.objects.filter(pk=example_id).first()
    feedback = list(Feedback.objects.filter(example_id=example_id).order_by("-created_at", "-pk")[:_MOST_FEEDBACK])
    if not with_words:
        return Judgments(review=review, reviewer=_reviewer(review), opinions=[_opinion(each) for each in feedback])
    own = contents.own if contents else {}
    tags = ExampleTag.objects.filter(example_id=example_id).order_by("tag").values_list("tag", flat=True)[:_MOST_TAGS]
    return Judgments(
        review=review,
        reviewer=_reviewer(review),
        comment=budget.text(review.comment) if review and review.comment else None,
        opinions=[_opinion(each, budget) for each in feedback],
        tags=[short(tag) for tag in dict.fromkeys([*tags, *_own_tags(own.get(TAGS))])],
        given=short(str(own[RATING])) if isinstance(own.get(RATING), int | float) else "",
        correction=_correction(review, feedback, contents, budget),
    )


def _reviewer(review: Review | None) -> str:
    return short(review.reviewed_by) if review else ""


def _opinion(feedback: Feedback, budget: Budget | None = None) -> Opinion:
    """Without a budget there are no words."""
    return Opinion(
        at=feedback.created_at,
        source=short(feedback.source),
        score=feedback.score,
        label=short(feedback.label) if budget else "",
        comment=budget.text(feedback.comment) if budget and feedback.comment else None,
    )


def _own_tags(value: Any) -> list[str]:
    return [tag for tag in value[:_MOST_TAGS] if isinstance(tag, str)] if isinstance(value, list) else []


def _correction(
    review: Review | None, feedback: Sequence[Feedback], contents: Contents | None, budget: Budget
) -> Correction | None:
    """The review's, else that of the newest feedback that has one, else the one that came with the call."""
    found = [(f"{each.source}, {each.created_at:%Y-%m-%d %H:%M} UTC", each.correction) for each in feedback]
    if review:
        found.insert(0, (f"{review.reviewed_by}, {review.reviewed_at:%Y-%m-%d %H:%M} UTC", review.correction))
    own = contents.own.get(CORRECTION) if contents else None
    if isinstance(own, str):
        found.append(("given with the call", own))
    for source, text in found:
        if text:
            difference = word_difference(contents.text("response_strong"), text) if contents else None
            return Correction(source=short(source), text=budget.json_text(text), difference=difference)
    return None


# --- Other calls -----------------------------------------------------------------------------------------------------


def siblings(row: ExampleIndex) -> list[Call]:
    """The newest other calls that asked the same."""
    if not row.prompt_hash:
        return []
    same = _asked(row.prompt_hash).exclude(pk=row.pk)
    return [_call(other, row) for other in same.order_by("-created_at", "-id")[:_MOST_SIBLINGS]]


def _asked(prompt_hash: str) -> QuerySet[ExampleIndex]:
    """Those with this hash. Of a prompt that is asked all day the newest are soon met on the way back in time, where
    its own index would lead to rows that all have to be sorted; COALESCE keeps that index out."""
    found = ExampleIndex.objects.filter(prompt_hash=prompt_hash)
    if found.order_by()[_FEW : _FEW + 1].exists():
        return ExampleIndex.objects.filter(Exact(Coalesce(F("prompt_hash"), F("prompt_hash")), prompt_hash))
    return found


def thread(row: ExampleIndex, anchor_id: str) -> Thread | None:
    """The calls of its conversation around the one with the id `anchor_id`, or around itself. None: it is alone."""
    if not row.conversation_id:
        return None
    conversation = ExampleIndex.objects.filter(conversation_id=row.conversation_id)
    anchor = (conversation.filter(pk=anchor_id).first() if anchor_id and "\0" not in anchor_id else None) or row
    before = list(_before(conversation, anchor)[: _CALLS_EACH_WAY + 1])
    after = list(_after(conversation, anchor)[: _CALLS_EACH_WAY + 1])
    if not before and not after:
        return None
    shown = [*reversed(before[:_CALLS_EACH_WAY]), anchor, *after[:_CALLS_EACH_WAY]]
    return Thread(
        calls=[_call(other, row) for other in shown],
        earlier=_around(shown[0]) if len(before) > _CALLS_EACH_WAY else "",
        later=_around(shown[-1]) if len(after) > _CALLS_EACH_WAY else "",
    )


def _around(anchor: ExampleIndex) -> str:
    return "?" + urlencode({ANCHOR: anchor.pk})


def neighbours(row: ExampleIndex) -> tuple[str, str]:
    """The ids of the examples next to it in time: the newer and the older, "" at either end."""
    newer = _after(ExampleIndex.objects.all(), row).values_list("pk", flat=True).first()
    older = _before(ExampleIndex.objects.all(), row).values_list("pk", flat=True).first()
    return newer or "", older or ""


def _after(examples: QuerySet[ExampleIndex], row: ExampleIndex) -> QuerySet[ExampleIndex]:
    return examples.filter(beyond(Place.of(row), later=True)).order_by("created_at", "id")


def _before(examples: QuerySet[ExampleIndex], row: ExampleIndex) -> QuerySet[ExampleIndex]:
    return examples.filter(beyond(Place.of(row), later=False)).order_by("-created_at", "-id")


def _call(other: ExampleIndex, this: ExampleIndex) -> Call:
    return Call(
        url=page_address(other.pk),
        at=other.created_at,
        task=short(other.task),
        model=short(other.model_name),
        prompt=short(other.prompt_preview[:_PREVIEW]),
        response=short(other.response_preview[:_PREVIEW]),
        is_this=other.pk == this.pk,
        same_answer=_same_answer(other.response_preview, this.response_preview),
    )


def _same_answer(one: str, other: str) -> str:
    """The index has the beginning of an answer only."""
    if one != other:
        return "differs"
    return "the same" if len(one) < PREVIEW_CHARACTERS else "begins the same"


def trail(example_id: str) -> list[AuditEvent]:
    """Who did what with it, the newest first."""
    return list(AuditEvent.objects.filter(example=example_id).order_by("-at", "-pk")[:_MOST_EVENTS])
