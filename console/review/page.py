"""What the page of one example in the queue shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from capture_app.models import ExampleIndex, ExampleTag
from capture_app.shown import Budget, short
from console.example_page import beside
from console.example_page.addresses import page_address
from console.example_page.beside import Judgments
from console.example_page.contents import Contents
from console.example_page.finding import Trouble, find_example
from console.example_page.page import conversation_context
from console.review.judging import digest, stamp
from console.review.queue import User

LONGEST_CORRECTED: Final = 200_000  # characters of an answer that is put into the form to be corrected
_SUGGESTED_TAGS: Final = 20
_RECENT_TAGS: Final = 200  # among which the suggested ones are


@dataclass(frozen=True, slots=True)
class Tag:
    """A word on the example that can be taken off."""

    value: str
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One example, and what is said of it so far."""

    row: ExampleIndex
    task: str  # fit to be shown, as all that is no `value`
    model: str
    trouble: Trouble | None  # why there is no text; then nobody can judge it
    conversation: dict[str, Any]  # what its template needs
    judgments: Judgments
    tags: Sequence[Tag]
    suggested_tags: Sequence[str]
    values: dict[str, str]  # what the form starts with
    url: str  # of the example's own page; "" when it has none

    @property
    def can_be_corrected(self) -> bool:
        return len(self.values["correction"]) <= LONGEST_CORRECTED


def show(row: ExampleIndex, user: User) -> Shown:
    """Everything that the page says of the example. `user` must be allowed to read it."""
    found = find_example(row)
    contents = Contents.of(found.example) if found.example else None
    judgments = beside.judgments(row.pk, contents, Budget(), with_words=True)
    tags = ExampleTag.objects.filter(example_id=row.pk).order_by("tag").values_list("tag", flat=True)
    return Shown(
        row=row,
        task=short(row.task),
        model=short(row.model_name),
        trouble=found.trouble,
        conversation=conversation_context(row.pk, contents, user) if contents else {},
        judgments=judgments,
        tags=[Tag(tag, short(tag)) for tag in tags],
        suggested_tags=_suggested_tags(),
        values=_form_values(row, judgments, contents.text("response_strong") if contents else ""),
        url=page_address(row.pk),
    )


def _form_values(row: ExampleIndex, judgments: Judgments, answer: str) -> dict[str, str]:
    review = judgments.review
    return {
        "example": row.pk,
        "seen": stamp(review),
        "answer": digest(answer),
        "correction": (review.correction if review else "") or answer,
        "comment": review.comment if review else "",
    }


def _suggested_tags() -> list[str]:
    """Those that were put on examples last."""
    recent = ExampleTag.objects.order_by("-pk").values_list("tag", flat=True)[:_RECENT_TAGS]
    return list(dict.fromkeys(recent))[:_SUGGESTED_TAGS]
