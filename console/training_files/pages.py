"""The action “Add to a training file…”: make conversations of picked examples, and add those that are ready."""

from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.admin import AdminSite
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, path

from capture_app.exceptions import CaptureError
from capture_app.wording import counted
from console import audit
from console.access import EXPORT, needs
from console.actions.exceptions import ActionError
from console.actions.pages import Pages
from console.actions.registry import OfferedAction, register_action
from console.actions.runs import is_small
from console.actions.selection import Selection, from_request
from console.training_files.picked import picked
from training_archive.exceptions import ArchiveError
from training_files.access import actor_of, changeable, may_make
from training_files.conversations.captured import conversations_from_captures
from training_files.forms import AddForm
from training_files.picking import put_into

NAME: Final = "add_to_training_file"
_MAKE_COMMAND: Final = "manage.py conversations_from_captures"


class TrainingFilePages(Pages):
    @transaction.non_atomic_requests  # files are written before the rows that name them
    @needs(EXPORT)
    def add(self, request: HttpRequest) -> HttpResponseBase:
        try:
            selection = from_request(request)
        except ActionError as error:
            return self.refuse(request, error)
        if "make" in request.POST:
            return self._make(request, selection)
        return self._put(request, selection) if "put" in request.POST else self.ask(request, selection)

    def ask(self, request: HttpRequest, selection: Selection, form: AddForm | None = None) -> HttpResponseBase:
        """What there is to be added, and where to."""
        self.say_unknown(request, selection)
        return self.render(
            request,
            "training_file",
            f"Add {counted(len(selection), 'example')} to a training file",
            selection=selection,
            picked=picked(selection.ids),
            form=form or _form(request),
            may_add=may_make(request.user) or changeable(request.user).exists(),
            is_small=is_small(len(selection)),
            command=_MAKE_COMMAND,
        )

    def _make(self, request: HttpRequest, selection: Selection) -> HttpResponseBase:
        """Conversations of the picked examples; only while that takes no longer than a browser waits."""
        unmade = picked(selection.ids).unmade
        if unmade and may_make(request.user) and is_small(len(selection)):
            audit.note(request.user, audit.CURATED, examples=len(selection), details={"conversations": len(unmade)})
            try:
                report = conversations_from_captures(by=actor_of(request.user).name, conversation_ids=unmade)
            except (ArchiveError, CaptureError) as error:
                messages.error(request, str(error))
            else:
                messages.success(request, f"Made {counted(report.added, 'conversation')}; they wait to be enriched.")
        return self.ask(request, selection)

    def _put(self, request: HttpRequest, selection: Selection) -> HttpResponseBase:
        ready, form = picked(selection.ids).ready, _form(request, request.POST)
        if not ready or not form.is_valid():
            return self.ask(request, selection, form)
        given = form.cleaned_data
        audit.note(request.user, audit.CURATED, examples=len(selection), details={"added": len(ready)})
        try:
            put = put_into(
                ready,
                by=actor_of(request.user),
                training_file=given["training_file"],
                name=given.get("name", ""),
                description=given.get("description", ""),
            )
        except (ArchiveError, CaptureError) as error:
            messages.error(request, str(error))
            return self.ask(request, selection, form)
        messages.success(
            request,
            f"{counted(len(ready), 'conversation')} {'are being added by a worker' if put.build else 'were added'}.",
        )
        return HttpResponseRedirect(self.reverse("training_files_trainingfile_change", put.training_file.pk))


def _form(request: HttpRequest, data: Any = None) -> AddForm:
    return AddForm(data, files=changeable(request.user), may_make=may_make(request.user))


def urls(site: AdminSite) -> list[URLPattern]:
    view = site.admin_view(TrainingFilePages(site).add)
    return [path("actions/training-file/", view, name="console_training_file")]


def offer() -> None:
    """Put the action into the list of examples."""
    pages = TrainingFilePages(admin.site)
    register_action(OfferedAction(name=NAME, label="Add to a training file…", right=EXPORT, page=pages.ask))
