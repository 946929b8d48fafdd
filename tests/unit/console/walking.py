"""All addresses of the console, found in the admin itself: a page that is added is tested, or the tests say so."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.urls import URLPattern, URLResolver, reverse

from capture_app import call_llm
from capture_app.services import drain_captures
from console import access, audit
from console.models import ActionRun, AuditEvent
from training_archive.models import ArchiveRun


@dataclass(frozen=True, slots=True)
class Address:
    """A pattern below /admin/."""

    name: str
    parameters: tuple[str, ...]

    def url(self, things: "Things") -> str:
        values = {parameter: things.value(self.name, parameter) for parameter in self.parameters}
        return reverse(f"admin:{self.name}", kwargs=values)


@dataclass(frozen=True, slots=True)
class Things:
    """One of everything that an address may name."""

    example: str
    action_run: int
    archive_run: int
    audit_event: int

    def value(self, name: str, parameter: str) -> Any:
        known: dict[str, Any] = {
            "console_action": self.action_run,
            "console_export": self.action_run,
            "console_runs": self.archive_run,
            "training_archive_archiverun": quote(self.archive_run),
            "console_auditevent": quote(self.audit_event),
            "console_receipt": "forget-1",
            "console_example_attachment": "0" * 64 if parameter == "name" else quote(self.example),
            "console_replay": self.example,
            "console_example": quote(self.example),
            "capture_app_exampleindex": quote(self.example),
        }
        fitting = [prefix for prefix in known if name.startswith(prefix)]
        assert fitting, (
            f"What stands for {parameter!r} in the address of {name!r}? Add it to tests/unit/console/walking.py."
        )
        return known[max(fitting, key=len)]


def make_things() -> Things:
    now = datetime.now(UTC)
    answer = call_llm("What is it?", task="shop", training_metadata={"conversation_id": "one"})
    drain_captures()
    choices = {"format": "openai-chat", "dedupe": "exact", "split": "1", "name": "again", "count_only": False}
    return Things(
        example=str(answer.example_id),
        action_run=ActionRun.objects.create(
            kind="export",
            state="failed",
            requested_by="x",
            requested_at=now,
            examples=1,
            ids=[answer.example_id],
            choices=choices,
        ).pk,
        archive_run=ArchiveRun.objects.create(kind="archive", state="queued", requested_by="x", requested_at=now).pk,
        audit_event=AuditEvent.objects.create(at=now, user="x", action="saw").pk,
    )


def addresses() -> list[Address]:
    """Those of the console's own views, and of the admins that it registers; by name."""
    return sorted(
        {address.name: address for address in _found(admin.site.urls[0])}.values(), key=lambda each: each.name
    )


def _found(patterns: Any) -> Iterator[Address]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _found(pattern.url_patterns)
        elif _is_ours(pattern) and pattern.name:  # one without a name only redirects to the page of an object
            yield Address(pattern.name, tuple(pattern.pattern.converters))


def _is_ours(pattern: URLPattern) -> bool:
    model_admin = getattr(pattern.callback, "model_admin", None)
    module = type(model_admin).__module__ if model_admin else getattr(pattern.callback, "__module__", "")
    return str(pattern.name).startswith("console_") or module.startswith("console.")


# --- What each address needs, and does. One that is not here fails the tests until somebody says it. -----------------

OPENED_BY: dict[str, set[str]] = {
    access.VIEW_FIGURES: {*access.RIGHTS} - {access.VIEW_AUDIT},
    access.VIEW_TEXT: {access.VIEW_TEXT, access.REVIEW, access.EXPORT, access.REPLAY},
    **{
        right: {right}
        for right in (access.REVIEW, access.EXPORT, access.FORGET, access.RUN, access.CHANGE_ROUTES, access.REPLAY)
    },
    access.VIEW_AUDIT: {access.VIEW_AUDIT},
}
NEEDS = {
    "console_tag": access.REVIEW,
    "console_export": access.EXPORT,
    "console_export_download": access.EXPORT,
    "console_forget": access.FORGET,
    "console_receipt": access.FORGET,
    "console_replay": access.REPLAY,
    "console_training_file": access.EXPORT,
    "console_action_run": access.EXPORT,
    "console_action_progress": access.EXPORT,
    "console_action_again": access.EXPORT,
    "console_review": access.REVIEW,
    "console_review_judge": access.REVIEW,
    "console_review_undo": access.REVIEW,
    "console_examples_full_text": access.VIEW_TEXT,
    "console_example": access.VIEW_FIGURES,
    "console_example_attachment": access.VIEW_TEXT,
    "console_runs_start": access.RUN,
    "console_runs_cancel": access.RUN,
    "console_runs_undo_route": access.CHANGE_ROUTES,
    "console_runs_progress": access.VIEW_FIGURES,
    "console_runs_routes": access.VIEW_FIGURES,
    "console_auditevent_changelist": access.VIEW_AUDIT,
    "console_auditevent_change": access.VIEW_AUDIT,
    "console_auditevent_history": access.VIEW_AUDIT,
    "training_archive_archiverun_changelist": access.VIEW_FIGURES,
    "training_archive_archiverun_change": access.VIEW_FIGURES,
    "training_archive_archiverun_history": access.VIEW_FIGURES,
    "capture_app_exampleindex_changelist": access.VIEW_FIGURES,
    "capture_app_exampleindex_change": access.VIEW_FIGURES,
    "capture_app_exampleindex_history": access.VIEW_FIGURES,
}
NOBODY = ("_add", "_delete")  # ends of the names of pages that no right opens

Form = Callable[[Things], dict[str, Any]]
_EXPORT = {"format": "openai-chat", "dedupe": "exact", "split": "1", "name": "mine", "write": "1"}

# What a POST does, and what the trail calls it.
ACTS: dict[str, tuple[Form, str]] = {
    "console_tag": (lambda it: {"ids": json.dumps([it.example]), "add": "good", "save": "1"}, audit.TAGGED),
    "console_export": (lambda it: {"ids": json.dumps([it.example]), **_EXPORT}, audit.EXPORTED),
    "console_forget": (lambda it: {"ids": json.dumps([it.example]), "confirm": "1"}, audit.FORGOT),
    "console_replay": (lambda it: {"route": "task"}, audit.REPLAYED),
    "console_action_again": (lambda it: {}, audit.EXPORTED),
    "console_training_file": (lambda it: {"ids": json.dumps([it.example]), "make": "1"}, audit.CURATED),
    "console_review_judge": (lambda it: {"example": it.example, "verdict": "good"}, audit.REVIEWED),
    "console_review_undo": (lambda it: {}, audit.REVIEWED),
    "console_examples_full_text": (lambda it: {"q": "nowhere"}, audit.SEARCHED),
    "console_runs_start": (lambda it: {"kind": "verify"}, audit.RAN),
    "console_runs_cancel": (lambda it: {}, audit.RAN),
}
FIRST = {"console_review_undo": "console_review_judge"}  # what must have been done before
READS = {name for name in NEEDS if name not in ACTS}  # a POST changes nothing
