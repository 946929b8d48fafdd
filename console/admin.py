"""What the console puts into Django's admin."""

from collections.abc import Iterable

from django.apps import apps
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern

from capture_app.csp import secured_urls
from capture_app.read_only_admin import ReadOnlyAdmin
from console.access import VIEW_AUDIT, may
from console.audit import ACTIONS
from console.examples import admin as examples  # noqa: F401  (registers the list of examples)
from console.models import AuditEvent
from console.runs import admin as runs  # noqa: F401  (registers the runs over the archive)

if apps.is_installed("training_files"):
    from console.training_files.pages import offer  # needs the app, which is optional

    offer()


class ActionFilter(admin.SimpleListFilter):
    """By the acts that there are. Django's own filter would read the whole table for them."""

    title = "action"
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> Iterable[tuple[str, str]]:
        return [(action, action) for action in ACTIONS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        return queryset.filter(action=self.value()) if self.value() in ACTIONS else queryset


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("at", "user", "action", "example", "examples", "details")
    list_filter = (ActionFilter,)
    search_fields = ("user__exact", "example__exact")  # as they are indexed
    date_hierarchy = "at"
    show_full_result_count = False

    def has_view_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return may(request.user, VIEW_AUDIT)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may(request.user, VIEW_AUDIT)

    def get_urls(self) -> list[URLPattern]:
        return secured_urls(super().get_urls())
