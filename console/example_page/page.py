"""What the page of one example shows, and what the review queue borrows of it."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.utils.http import urlencode

from capture_app.models import ExampleIndex
from capture_app.shown import Budget, short
from console.access import EXPORT, FORGET, REPLAY, REVIEW, VIEW_AUDIT, VIEW_TEXT, may
from console.example_page import beside, facts
from console.example_page.addresses import address_or_none, attachment_address, page_address
from console.example_page.attachments import attacher
from console.example_page.beside import Call, Judgments, Thread
from console.example_page.contents import Contents
from console.example_page.conversation import Attach, Conversation, read_conversation
from console.example_page.facts import Fact, Folded
from console.example_page.finding import Found, Place, find_example, place_of
from console.example_page.lineage import Lineage, lineage
from console.models import AuditEvent

# What can be done with an example: the right it needs, the address, and what the button says.
_ACTIONS: Final = (
    (REVIEW, "admin:console_review", "at", "Review"),
    (REVIEW, "admin:console_tag", "id", "Tag"),
    (EXPORT, "admin:console_export", "id", "Export"),
    (REPLAY, "admin:console_replay", "id", "Replay"),
    (FORGET, "admin:console_forget", "id", "Forget"),
)

User = AbstractBaseUser | AnonymousUser


@dataclass(frozen=True, slots=True)
class Asked:
    """What the query string asks of a page. What it does not understand counts as not asked."""

    is_whole: bool = False  # ?all=1: no text is cut
    anchor: str = ""  # ?call=ID: around which call the conversation's calls are shown
    wants_lineage: bool = False  # ?lineage=1


@dataclass(frozen=True, slots=True)
class Button:
    """Something that can be done with the example."""

    label: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """All of a page that needs the right to read texts."""

    conversation: Conversation | None
    particulars: list[Fact]
    folded: list[Folded]
    siblings: list[Call]
    thread: Thread | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What is shown of an example."""

    row: ExampleIndex
    name: str  # the id, fit to be shown
    found: Found
    place: Place | None
    figures: list[Fact]
    judgments: Judgments
    lineage: Lineage
    words: Words | None  # None: the user may see no text
    newer: str
    older: str
    trail: list[AuditEvent] | None  # None: the user may not see it
    buttons: list[Button] = field(default_factory=list)
    is_cut: bool = False


def make_page(row: ExampleIndex, user: User, asked: Asked) -> Page:
    """Everything that this user may see of the example."""
    budget = Budget(is_whole=asked.is_whole)
    may_read = may(user, VIEW_TEXT)
    found = find_example(row) if may_read else Found(place=place_of(row))
    contents = Contents.of(found.example) if found.example else None
    words = _words(row, contents, user, asked, budget) if may_read else None
    judgments = beside.judgments(row.pk, contents, budget, with_words=may_read)
    newer, older = beside.neighbours(row)
    return Page(
        row=row,
        name=short(row.pk),
        found=found,
        place=found.place,
        figures=facts.figures(row),
        judgments=judgments,
        lineage=lineage(row.pk, is_wanted=asked.wants_lineage),
        words=words,
        newer=page_address(newer),
        older=page_address(older),
        trail=beside.trail(row.pk) if may(user, VIEW_AUDIT) else None,
        buttons=_buttons(row.pk, user),
        is_cut=budget.has_cut,
    )


def _words(row: ExampleIndex, contents: Contents | None, user: User, asked: Asked, budget: Budget) -> Words:
    attach = _attacher(row.pk, user)
    return Words(
        conversation=read_conversation(contents, attach, budget) if contents else None,
        particulars=[*facts.identity(row), *(facts.particulars(contents, budget) if contents else ())],
        folded=facts.folded(contents, budget) if contents else [],
        siblings=beside.siblings(row),
        thread=beside.thread(row, asked.anchor),
    )


def conversation_context(example_id: str, contents: Contents, user: User) -> dict[str, Any]:
    """What the template console/example_page/_conversation.html needs, for other pages that show a conversation.

    `user` must be allowed to read it. The page must load console/example_page.css.
    """
    budget = Budget()
    conversation = read_conversation(contents, _attacher(example_id, user), budget)
    whole_url = f"{page_address(example_id)}?all=1"
    return {"conversation": conversation, "is_cut": budget.has_cut, "whole_url": whole_url}


def _attacher(example_id: str, user: User) -> Attach:
    return attacher(str(user.pk), example_id, partial(attachment_address, example_id))


def _buttons(example_id: str, user: User) -> list[Button]:
    """Those whose pages there are, for who has the right."""
    return [
        Button(label, f"{url}?{urlencode({parameter: example_id})}")
        for right, view, parameter, label in _ACTIONS
        if may(user, right) and (url := address_or_none(view))
    ]
