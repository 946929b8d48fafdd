"""Training files in the admin: the list, the page of each, and what can be done with it."""

from collections.abc import Callable, Mapping
from typing import Any, Final, cast
from uuid import UUID

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import F, Prefetch, QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    JsonResponse,
)
from django.urls import URLPattern, reverse
from django.utils.http import urlencode

from capture_app.shown import short, visible
from capture_app.streaming import streamed
from capture_app.wording import counted
from training_files.access import actor_of, may_change
from training_files.admin.base import PagesAdmin, Told, found_or_404
from training_files.admin.file_page import build_line, file_page, moment, progress, quality
from training_files.admin.numbers import decimal, whole
from training_files.balance import MOST_SUGGESTIONS, SCAFFOLDING, TIER, suggest
from training_files.builds import pending_build, send
from training_files.conf import training_files_settings
from training_files.conversations.store import shown_ids
from training_files.describing import describe
from training_files.downloads import download_link, filename
from training_files.exceptions import TrainingFilesError
from training_files.joining import FORMATS, blocks
from training_files.models import Build, Conversation, TrainingFile, TrainingFileVersion
from training_files.service import (
    add_conversations,
    archive_training_file,
    delete_training_file,
    diff_versions,
    get_training_file,
    new_version,
    remove_conversations,
    rename_training_file,
    reopen_training_file,
)
from training_files.storage import open_bucket

_MOST_IN_DIFF: Final = 200  # ids of each list
_SUGGESTED: Final = 20
_CONVERSATIONS: Final = "conversation"  # of a form: ids, one each
_AT_WORK: Final = 10  # builds above the list

Verb = Callable[["TrainingFileAdmin", HttpRequest, TrainingFile], str]


@admin.register(TrainingFile)
class TrainingFileAdmin(PagesAdmin):
    change_list_template = "training_files/admin/files.html"
    list_display = ("called", "state", "number", "conversations", "pairs", "mean_quality", "owned_by", "changed")
    list_filter = ("status",)
    search_fields = ("name", "owner")
    search_help_text = "A part of the name, or of the owner"
    actions = None

    def own_urls(self) -> list[URLPattern]:
        return [
            self.own("<uuid:file_id>/act/", self.act, "act"),
            self.own("<uuid:file_id>/suggestions/", self.suggestions, "suggestions"),
            self.own("<uuid:file_id>/differences/", self.differences, "differences"),
            self.own("<uuid:file_id>/progress/", self.progress, "progress"),
            self.own("<uuid:file_id>/download/<slug:format>/", self.download, "download"),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[TrainingFile]:
        current = TrainingFileVersion.objects.filter(number=F("training_file__version"))
        return super().get_queryset(request).prefetch_related(Prefetch("versions", current, to_attr="current"))

    # --- The list ----------------------------------------------------------------------------------------------------

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        builds = Build.objects.filter(state__in=(Build.State.QUEUED, Build.State.RUNNING))
        at_work = [
            (self.page_of(build.training_file), short(build.training_file.name), build_line(build))
            for build in builds.select_related("training_file")[:_AT_WORK]
        ]
        context = {"title": "Training files", "at_work": at_work, **(extra_context or {})}
        return super().changelist_view(request, context)

    @admin.display(description="name", ordering="name")
    def called(self, row: TrainingFile) -> str:
        return short(row.name)

    @admin.display(description="state", ordering="status")
    def state(self, row: TrainingFile) -> str:
        return str(TrainingFile.Status(row.status).label)

    @admin.display(description="version", ordering="version")
    def number(self, row: TrainingFile) -> str:
        return f"{row.version:,}"

    @admin.display
    def conversations(self, row: TrainingFile) -> str:
        return f"{_figures(row).get('conversations', 0):,}"

    @admin.display
    def pairs(self, row: TrainingFile) -> str:
        return f"{_figures(row).get('pairs', 0):,}"

    @admin.display(description="quality")
    def mean_quality(self, row: TrainingFile) -> str:
        return quality(row.current[0].quality_score if row.current else None)  # type: ignore[attr-defined]  # prefetched

    @admin.display(description="owner", ordering="owner")
    def owned_by(self, row: TrainingFile) -> str:
        return short(row.owner)

    @admin.display(description="changed", ordering="updated_at")
    def changed(self, row: TrainingFile) -> str:
        return moment(row.updated_at)

    # --- One ---------------------------------------------------------------------------------------------------------

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """A training file is made of conversations, so one begins by picking these."""
        self.must(self.has_add_permission(request))
        link = self._conversations(request)
        if not link:
            messages.info(
                request,
                "A training file is made of conversations, and you may not see these. The API makes one, and so does "
                "“manage.py build_training_file”.",
            )
            return HttpResponseRedirect(self.address("changelist"))
        messages.info(request, "Tick the conversations that it begins with, and choose “Add to a training file…”.")
        query = urlencode({"enrichment_status__exact": Conversation.Enrichment.COMPLETED.value})
        return HttpResponseRedirect(f"{link}?{query}")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        training_file = self._seen(request, object_id)
        number, page = whole(request.GET.get("version")), whole(request.GET.get("page"))
        shown = found_or_404(lambda: file_page(training_file, number=number, page=page or 1))
        is_changeable = may_change(request.user, training_file)
        return self.render(
            request,
            "file",
            f"Training file {short(training_file.name)}",
            page=shown,
            description=visible(training_file.description),
            original=training_file,
            formats=[(each, shown.described.size(each)) for each in FORMATS],
            may_change=is_changeable,
            may_edit=is_changeable and shown.is_current and training_file.status == TrainingFile.Status.ACTIVE,
            may_delete=self._may_delete(request, training_file),
            list_link=self._conversations(request),
        )

    def _conversations(self, request: HttpRequest) -> str:
        """Where conversations are listed; "" when it is not for this person to see."""
        if not self.admin_site.get_model_admin(Conversation).has_view_permission(request):
            return ""
        return reverse(f"admin:{self.opts.app_label}_conversation_changelist", current_app=self.admin_site.name)

    def _seen(self, request: HttpRequest, file_id: UUID | str) -> TrainingFile:
        """Raises PermissionDenied, then Http404."""
        self.must(self.has_view_permission(request))
        return cast(TrainingFile, found_or_404(lambda: get_training_file(file_id)))

    def _may_delete(self, request: HttpRequest, training_file: TrainingFile) -> bool:
        return self.has_delete_permission(request) and actor_of(request.user).may_change(training_file)

    def progress(self, request: HttpRequest, *, file_id: UUID) -> HttpResponseBase:
        latest = self._seen(request, file_id).builds.first()
        if latest is None:
            raise Http404("Nothing is being built.")
        return JsonResponse(dict(progress(latest)))

    # A stream may take long, and must not hold a transaction.
    @transaction.non_atomic_requests
    def download(self, request: HttpRequest, *, file_id: UUID, format: str) -> HttpResponseBase:  # noqa: A002  (as the API calls it)
        if format not in FORMATS:
            raise Http404("There is no such format.")
        training_file, number = self._seen(request, file_id), whole(request.GET.get("version"))
        described = found_or_404(lambda: describe(training_file, number))
        with Told(request):
            if open_bucket() is not None:
                return HttpResponseRedirect(
                    download_link(file_id, format, number=number, by=actor_of(request.user)).url
                )
            return streamed(
                request,
                blocks(described, format),
                filename=filename(described, format),
                size=described.size(format),
                content_type="application/octet-stream",
            )
        return self.go_to(training_file)

    def differences(self, request: HttpRequest, *, file_id: UUID) -> HttpResponseBase:
        training_file = self._seen(request, file_id)
        new = whole(request.GET.get("new")) or training_file.version
        old = whole(request.GET.get("old")) or max(1, new - 1)
        found = found_or_404(lambda: diff_versions(file_id, old, new))
        lists = (("Added", found.added), ("Removed", found.removed), ("Changed", found.changed))
        return self.render(
            request,
            "differences",
            f"From version {old} to version {new}",
            file=training_file,
            file_url=self.page_of(training_file),
            name=short(training_file.name),
            lists=[(word, len(ids), [short(each) for each in ids[:_MOST_IN_DIFF]]) for word, ids in lists],
            numbers=range(1, training_file.version + 1) if training_file.version <= _MOST_IN_DIFF else (),
            old=old,
            new=new,
        )

    def suggestions(self, request: HttpRequest, *, file_id: UUID) -> HttpResponseBase:
        training_file = self._seen(request, file_id)
        most = min(MOST_SUGGESTIONS, training_files_settings().conversations_per_request)
        by = TIER if request.GET.get("by") == TIER else SCAFFOLDING
        limit = min(max(whole(request.GET.get("limit")) or _SUGGESTED, 1), most)
        least = decimal(request.GET.get("min_quality"))
        found = suggest(file_id, by=by, limit=limit, min_quality=least)
        open_to = training_file.status == TrainingFile.Status.ACTIVE and may_change(request.user, training_file)
        return self.render(
            request,
            "suggestions",
            "Suggestions to even it out",
            file=training_file,
            file_url=self.page_of(training_file),
            name=short(training_file.name),
            found=[(each, short(each.conversation_id), [short(key) for key in each.cell]) for each in found],
            ways=((SCAFFOLDING, "persona, arc and topic"), (TIER, "tier")),
            by=by,
            limit=limit,
            most=most,
            min_quality="" if least is None else f"{least:g}",
            may_add=open_to,
            list_link=self._conversations(request),
        )

    # --- Changes -----------------------------------------------------------------------------------------------------

    @transaction.non_atomic_requests  # files are written before the rows that name them
    def act(self, request: HttpRequest, *, file_id: UUID) -> HttpResponseBase:
        """What the button says that was pressed: one of _VERBS."""
        training_file = self._seen(request, file_id)
        self.must(may_change(request.user, training_file))
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        verb = _VERBS.get(request.POST.get("do", ""))
        if verb is None:
            raise Http404("There is no such thing to do.")
        with Told(request):
            done = verb(self, request, training_file)
            self.log_change(request, training_file, done)
            messages.success(request, done)
        if "suggestions" in request.POST:
            query = {name: request.POST.get(name, "") for name in ("by", "limit", "min_quality")}
            return HttpResponseRedirect(self.address("suggestions", training_file.pk, **query))
        return self.go_to(training_file)

    @transaction.non_atomic_requests
    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        training_file = self._may_be_deleted(request, object_id)
        if request.method != "POST":
            figures = describe(training_file).figures
            title = f"Delete {short(training_file.name)}?"
            return self.render(
                request,
                "delete",
                title,
                file=training_file,
                file_url=self.page_of(training_file),
                name=short(training_file.name),
                figures=figures,
            )
        with Told(request):
            self.log_deletions(request, TrainingFile.objects.filter(pk=training_file.pk))
            delete_training_file(training_file.pk, by=actor_of(request.user))
            messages.success(request, f"Deleted {short(training_file.name)}, with all its versions.")
            return HttpResponseRedirect(self.address("changelist"))
        return self.go_to(training_file)

    def _may_be_deleted(self, request: HttpRequest, object_id: str) -> TrainingFile:
        self.must(self.has_delete_permission(request))
        training_file = found_or_404(lambda: get_training_file(object_id))
        self.must(self._may_delete(request, training_file))
        return cast(TrainingFile, training_file)


def _figures(row: TrainingFile) -> Mapping[str, Any]:
    current = row.current  # type: ignore[attr-defined]  # prefetched
    return cast(Mapping[str, Any], current[0].figures) if current else {}


# --- Verbs: each does it, and says so --------------------------------------------------------------------------------


def _make_version(pages: TrainingFileAdmin, request: HttpRequest, training_file: TrainingFile) -> str:
    made = new_version(training_file.pk, by=actor_of(request.user), note=request.POST.get("note", ""))
    return f"Version {made.version} was begun; version {made.version - 1} stays as it is."


def _archive(pages: TrainingFileAdmin, request: HttpRequest, training_file: TrainingFile) -> str:
    archive_training_file(training_file.pk, by=actor_of(request.user))
    return "Archived: it takes no changes until it is opened again."


def _reopen(pages: TrainingFileAdmin, request: HttpRequest, training_file: TrainingFile) -> str:
    reopen_training_file(training_file.pk, by=actor_of(request.user))
    return "Opened again."


def _rename(pages: TrainingFileAdmin, request: HttpRequest, training_file: TrainingFile) -> str:
    given = request.POST
    rename_training_file(
        training_file.pk,
        by=actor_of(request.user),
        name=given.get("name", ""),
        description=given.get("description", ""),
    )
    return "Changed its name and description."


def _add(pages: TrainingFileAdmin, request: HttpRequest, training_file: TrainingFile) -> str:
    ids = _named(request)
    add_conversations(training_file.pk, ids, by=actor_of(request.user))
    return f"Added {counted(len(ids), 'conversation')}: {shown_ids(ids)}."


def _remove(pages: TrainingFileAdmin, request: HttpRequest, training_file: TrainingFile) -> str:
    ids = _named(request)
    remove_conversations(training_file.pk, ids, by=actor_of(request.user))
    return f"Removed {counted(len(ids), 'conversation')}: {shown_ids(ids)}."


def _go_on(pages: TrainingFileAdmin, request: HttpRequest, training_file: TrainingFile) -> str:
    build = pending_build(training_file)
    if build is None:
        raise TrainingFilesError("No build is waiting. Nothing was changed.")
    send(build)
    return "The build goes on as soon as a worker takes it."


def _named(request: HttpRequest) -> list[str]:
    """The one whose button was pressed, or all that are ticked."""
    one = request.POST.get("one")
    ids = [one] if one else request.POST.getlist(_CONVERSATIONS)
    if any("\0" in each for each in ids):  # which no form of ours sends, and PostgreSQL does not take
        raise Http404("The form did not say which conversations.")
    return ids


_VERBS: Final[Mapping[str, Verb]] = {
    "new-version": _make_version,
    "archive": _archive,
    "reopen": _reopen,
    "rename": _rename,
    "add": _add,
    "remove": _remove,
    "go-on": _go_on,
}
