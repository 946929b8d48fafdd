"""The actions above the list of examples. Each leads to a page that says what it will do, and asks."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.contrib.admin.options import IS_POPUP_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase

from capture_app.csp import secure
from capture_app.models import ExampleIndex
from console.access import EXPORT, FORGET, REPLAY, REVIEW, may
from console.actions import export_pages, forget_pages
from console.actions.exceptions import ActionError
from console.actions.export_pages import ExportPages
from console.actions.forget_pages import ForgetPages
from console.actions.pages import Pages
from console.actions.registry import OfferedAction, offered_actions
from console.actions.selection import from_queryset
from console.actions.tagging import TagPages

Examples = QuerySet[ExampleIndex]
Ask = Callable[..., HttpResponseBase]


def _picked(pages: Pages, ask: Ask, request: HttpRequest, queryset: Examples, command: str = "") -> HttpResponseBase:
    try:
        selection = from_queryset(queryset)
    except ActionError as error:
        return secure(pages.refuse(request, error, command=command))
    return secure(ask(request, selection))


@admin.action(description="Export…", permissions=["export"])
def export_selected(modeladmin: ModelAdmin, request: HttpRequest, queryset: Examples) -> HttpResponseBase:
    pages = ExportPages(modeladmin.admin_site)
    return _picked(pages, pages.ask, request, queryset, export_pages.COMMAND)


@admin.action(description="Tag…", permissions=["review"])
def tag_selected(modeladmin: ModelAdmin, request: HttpRequest, queryset: Examples) -> HttpResponseBase:
    pages = TagPages(modeladmin.admin_site)
    return _picked(pages, pages.ask, request, queryset)


@admin.action(description="Forget…", permissions=["forget"])
def forget_selected(modeladmin: ModelAdmin, request: HttpRequest, queryset: Examples) -> HttpResponseBase:
    pages = ForgetPages(modeladmin.admin_site)
    return _picked(pages, pages.ask, request, queryset, forget_pages.COMMAND)


@admin.action(description="Replay…", permissions=["replay"])
def replay_selected(modeladmin: ModelAdmin, request: HttpRequest, queryset: Examples) -> HttpResponseBase:
    pages = Pages(modeladmin.admin_site)
    ids = list(queryset.values_list("pk", flat=True)[:2])
    if len(ids) != 1:
        return secure(pages.refuse(request, ActionError("A call is replayed alone. Pick one example.")))
    return pages.redirect("console_replay", ids[0])


ACTIONS = [export_selected, tag_selected, replay_selected, forget_selected]


class PickedActions(ModelAdmin):
    """For the ModelAdmin of the list: the actions that its user has the right to, those of other apps included."""

    actions = ACTIONS

    def has_export_permission(self, request: HttpRequest) -> bool:
        return may(request.user, EXPORT)

    def has_review_permission(self, request: HttpRequest) -> bool:
        return may(request.user, REVIEW)

    def has_forget_permission(self, request: HttpRequest) -> bool:
        return may(request.user, FORGET)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return may(request.user, REPLAY)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        if IS_POPUP_VAR in request.GET:  # one is picked there, and nothing is done
            return {}
        offered = [action for action in offered_actions() if may(request.user, action.right)]
        more = {action.name: (partial(_offer, action), action.name, action.label) for action in offered}
        return {**super().get_actions(request), **more}


def _offer(action: OfferedAction, modeladmin: ModelAdmin, request: HttpRequest, queryset: Examples) -> HttpResponseBase:
    if not may(request.user, action.right):
        raise PermissionDenied
    return _picked(Pages(modeladmin.admin_site), action.page, request, queryset)
