"""The runs over the archive in the admin."""

from datetime import UTC
from typing import Any, cast

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.html import format_html

from capture_app.csp import secured_urls
from capture_app.read_only_admin import ReadOnlyAdmin
from console.access import RUN, VIEW_FIGURES, may
from console.runs import views
from console.runs.page import duration, label, tone
from console.runs.urls import urls
from training_archive import admin as plain  # noqa: F401  (registers the plain list, which this one replaces)
from training_archive import runs
from training_archive.management.archive_command import human_size
from training_archive.models import ArchiveRun

admin.site.unregister(ArchiveRun)

_TIME = "%Y-%m-%d %H:%M"


@admin.register(ArchiveRun)
class ArchiveRunAdmin(ReadOnlyAdmin):
    change_list_template = "console/runs/change_list.html"
    list_display = ("requested", "status", "kind", "examples", "size", "took", "requested_by")
    list_filter = ("kind", "state")
    date_hierarchy = "requested_at"
    list_per_page = 50
    actions = None

    @admin.display(description="requested (UTC)", ordering="requested_at")
    def requested(self, run: ArchiveRun) -> str:
        return run.requested_at.astimezone(UTC).strftime(_TIME)

    @admin.display(description="state", ordering="state")
    def status(self, run: ArchiveRun) -> str:
        return format_html('<span class="run-state run-{}">{}</span>', tone(run), label(run))

    @admin.display(description="took", ordering=F("finished_at") - F("started_at"))
    def took(self, run: ArchiveRun) -> str:
        return "" if run.seconds is None else duration(run.seconds)

    @admin.display(ordering="rows")
    def examples(self, run: ArchiveRun) -> str:
        return "" if run.rows is None else f"{run.rows:,}"

    @admin.display(description="archive", ordering="bytes")
    def size(self, run: ArchiveRun) -> str:
        return "" if run.bytes is None else human_size(run.bytes)

    def has_view_permission(self, request: HttpRequest, obj: ArchiveRun | None = None) -> bool:
        return may(request.user, VIEW_FIGURES)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may(request.user, VIEW_FIGURES)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ArchiveRun]:
        return super().get_queryset(request).defer("log", "steps", "findings")

    def get_urls(self) -> list[URLPattern]:
        return secured_urls([*urls(self.admin_site), *super().get_urls()])

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        runs.settle_lost_runs()
        context = {"title": "Archive runs", "may_run": may(request.user, RUN), **(extra_context or {})}
        return super().changelist_view(request, context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not (object_id.isascii() and object_id.isdigit() and len(object_id) < 20):
            raise Http404("Runs have numbers.")
        return cast(HttpResponse, views.one(request, int(object_id), site=self.admin_site))
