"""Conversations in the admin: the list, the page of each, reviews and scaffolding by hand, adding to training files."""

from typing import Any, Final

import orjson
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db import transaction
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.urls import URLPattern, reverse

from capture_app.shown import short
from capture_app.wording import counted
from training_files.access import actor_of, changeable, may_make
from training_files.admin.base import PagesAdmin, Told
from training_files.admin.conversation_page import PAGE, conversation_page
from training_files.admin.file_page import moment, quality, scaffolding
from training_files.admin.numbers import decimal, whole
from training_files.conversations.enrichment import sending
from training_files.conversations.review import enrich_by_hand, review_pair
from training_files.forms import AddForm
from training_files.models import Conversation, TrainingFile
from training_files.picking import put_into
from training_files.v4.conversation import SCAFFOLDING, TIERS

MOST_PICKED: Final = 10_000
_LONGEST_VALUE: Final = 500  # characters of a key or a name, in the form
_COMPLETED: Final = Conversation.Enrichment.COMPLETED
_CONVERSATIONS: Final = "conversations"  # of a form: a JSON list of ids
_MOST_CHARACTERS: Final = 1_000_000  # of all ids; Django takes 2.5 MB of a form


@admin.action(description="Add to a training file…", permissions=["add_to_file"])
def add_to_file(pages: "ConversationAdmin", request: HttpRequest, queryset: QuerySet[Conversation]) -> HttpResponseBase:
    return pages.ask_where(request, list(queryset.values_list("pk", flat=True)[: MOST_PICKED + 1]))


@admin.action(description="Enrich", permissions=["change"])
def enrich(pages: "ConversationAdmin", request: HttpRequest, queryset: QuerySet[Conversation]) -> None:
    """A worker does it; the list shows what comes of it."""
    waiting = queryset.exclude(enrichment_status=_COMPLETED)
    ids = list(waiting.values_list("pk", flat=True)[:MOST_PICKED])
    if not ids:
        messages.info(request, "All of them are completed. A person may still change them, on the page of each.")
        return
    with Told(request):
        sending.send(ids)
        messages.success(request, f"{counted(len(ids), 'conversation')} will be enriched as soon as a worker is there.")


class TierFilter(admin.SimpleListFilter):
    """By the four tiers. Django would offer every one that files name, and their list is open."""

    title = "quality tier"
    parameter_name = "tier"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(tier, tier.replace("_", " ")) for tier in TIERS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Conversation]) -> QuerySet[Conversation]:
        return queryset.filter(quality_tier=self.value()) if self.value() in TIERS else queryset


@admin.register(Conversation)
class ConversationAdmin(PagesAdmin):
    change_list_template = "training_files/admin/conversations.html"
    list_display = ("called", "state", "keys", "rated", "pairs_reviewed", "came_from", "changed")
    list_filter = ("enrichment_status", TierFilter, "source")
    search_fields = ("id__startswith", "persona_key__exact", "emotional_arc_key__exact", "training_topic_key__exact")
    search_help_text = "The beginning of an id, or the whole key of a persona, an arc or a topic"
    actions = (enrich, add_to_file)

    def own_urls(self) -> list[URLPattern]:
        return [
            self.own("add-to-training-file/", self.add_them, "put"),
            self.own("<path:object_id>/review/", self.review, "review"),
            self.own("<path:object_id>/scaffolding/", self.fill, "scaffolding"),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """They come by import and from captures; see the commands."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """They go when their examples are forgotten."""
        return False

    def has_add_to_file_permission(self, request: HttpRequest) -> bool:
        """For the action: who may make training files, or change all of them."""
        return may_make(request.user) or actor_of(request.user).may_change_all

    # --- The list ----------------------------------------------------------------------------------------------------

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"title": "Conversations", **(extra_context or {})})

    @admin.display(description="conversation", ordering="pk")
    def called(self, row: Conversation) -> str:
        return short(row.pk)

    @admin.display(description="enrichment", ordering="enrichment_status")
    def state(self, row: Conversation) -> str:
        return str(row.get_enrichment_status_display())

    @admin.display(description="persona, arc, topic", ordering="persona_key")
    def keys(self, row: Conversation) -> str:
        return scaffolding(row)

    @admin.display(description="quality", ordering="quality_score")
    def rated(self, row: Conversation) -> str:
        return f"{quality(row.quality_score)}, {short(row.quality_tier) or 'no tier'}"

    @admin.display(description="pairs, reviewed", ordering="pairs")
    def pairs_reviewed(self, row: Conversation) -> str:
        return f"{row.pairs:,}, {row.reviewed_pairs:,}"

    @admin.display(description="source", ordering="source")
    def came_from(self, row: Conversation) -> str:
        return str(row.get_source_display())

    @admin.display(description="changed", ordering="updated_at")
    def changed(self, row: Conversation) -> str:
        return moment(row.updated_at)

    # --- One ---------------------------------------------------------------------------------------------------------

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        self.must(self.has_view_permission(request))
        row = _row(object_id)
        page, is_whole = whole(request.GET.get("page")) or 1, request.GET.get("all") == "1"
        return self.render(
            request,
            "conversation",
            f"Conversation {short(row.pk)}",
            page=conversation_page(row, page=page, is_whole=is_whole),
            original=row,
            name=short(row.pk),
            problem=short(row.enrichment_problem),
            may_change=self.has_change_permission(request),
            may_add=self.has_add_to_file_permission(request) and row.enrichment_status == _COMPLETED,
            may_see_files=self.admin_site.get_model_admin(TrainingFile).has_view_permission(request),
            as_json=orjson.dumps([row.pk]).decode(),
            field=_CONVERSATIONS,
            longest=_LONGEST_VALUE,
        )

    @transaction.non_atomic_requests  # files are written before the rows that name them
    def review(self, request: HttpRequest, *, object_id: str) -> HttpResponseBase:
        row = self._to_change(request, object_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        given, number = request.POST, whole(request.POST.get("pair")) or 0
        with Told(request):
            review_pair(
                row.pk,
                number,
                by=actor_of(request.user).name,
                score=decimal(given.get("score")),
                notes=given.get("notes", ""),
                seed_example=given.get("seed") == "1",
            )
            self.log_change(request, row, f"Reviewed pair {number}.")
            messages.success(request, f"The review of pair {number} is stored.")
        page = max(1, -(-number // PAGE))
        return HttpResponseRedirect(f"{self.page_of(row)}?page={page}#pair-{number}")

    @transaction.non_atomic_requests
    def fill(self, request: HttpRequest, *, object_id: str) -> HttpResponseBase:
        """Scaffolding by hand."""
        row = self._to_change(request, object_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        values = {name: request.POST[name] for name in SCAFFOLDING if name in request.POST}
        completed = "completed" in request.POST
        with Told(request):
            enrich_by_hand(row.pk, by=actor_of(request.user).name, scaffolding=values, completed=completed)
            self.log_change(request, row, "Filled in persona, arc and topic.")
            messages.success(request, "Persona, arc and topic are stored.")
        return self.go_to(row)

    def _to_change(self, request: HttpRequest, object_id: str) -> Conversation:
        self.must(self.has_change_permission(request))
        return _row(object_id)

    # --- Into training files -----------------------------------------------------------------------------------------

    def ask_where(self, request: HttpRequest, ids: list[str], form: AddForm | None = None) -> HttpResponseBase:
        """Into which training file these are to come."""
        if len(ids) > MOST_PICKED or sum(map(len, ids)) > _MOST_CHARACTERS:
            messages.error(
                request,
                f"More than {MOST_PICKED:,} conversations match, and a page deals with no more. Nothing was changed; "
                "“manage.py build_training_file --all” takes any number.",
            )
            return HttpResponseRedirect(self.address("changelist"))
        return self.render(
            request,
            "add",
            f"Add {counted(len(ids), 'conversation')} to a training file",
            form=form or _form(request),
            count=len(ids),
            as_json=orjson.dumps(ids).decode(),
            field=_CONVERSATIONS,
        )

    @transaction.non_atomic_requests
    def add_them(self, request: HttpRequest) -> HttpResponseBase:
        self.must(self.has_view_permission(request) and self.has_add_to_file_permission(request))
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        ids = _ids_in(request.POST.get(_CONVERSATIONS, ""))
        if "put" not in request.POST:
            return self.ask_where(request, ids)
        form = _form(request, request.POST)
        if form.is_valid():
            with Told(request):
                put = put_into(
                    ids,
                    by=actor_of(request.user),
                    training_file=form.cleaned_data["training_file"],
                    name=form.cleaned_data.get("name", ""),
                    description=form.cleaned_data.get("description", ""),
                )
                self.log_addition(request, put.training_file, f"Added {counted(len(ids), 'conversation')}.")
                done = "are being added by a worker" if put.build else "were added"
                messages.success(request, f"{counted(len(ids), 'conversation')} {done}.")
                url = reverse("admin:training_files_trainingfile_change", args=[put.training_file.pk])
                return HttpResponseRedirect(url)
        return self.ask_where(request, ids, form)


def _form(request: HttpRequest, data: Any = None) -> AddForm:
    """With the training files that the person may change, and a new one if they may make one."""
    return AddForm(data, files=changeable(request.user), may_make=may_make(request.user))


def _row(object_id: str) -> Conversation:
    """By an id as the admin quotes it in addresses. Raises Http404."""
    conversation_id = unquote(object_id)
    row = None if "\0" in conversation_id else Conversation.objects.filter(pk=conversation_id).first()
    if row is None:
        raise Http404("There is no such conversation (any more).")
    return row


def _ids_in(text: str) -> list[str]:
    """Raises Http404 for what is no list of ids, which no form of ours sends."""
    try:
        ids: Any = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Http404("The form did not say which conversations.") from error
    if not isinstance(ids, list) or not ids or not all(isinstance(each, str) and "\0" not in each for each in ids):
        raise Http404("The form did not say which conversations.")
    return ids
