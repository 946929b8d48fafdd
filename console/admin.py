"""What the console puts into Django's admin."""

from django.contrib import admin
from django.http import HttpRequest

from capture_app.read_only_admin import ReadOnlyAdmin
from console.access import VIEW_AUDIT, may
from console.examples import admin as examples  # noqa: F401  (registers the list of examples)
from console.models import AuditEvent


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("at", "user", "action", "example", "examples", "details")
    list_filter = ("action",)
    search_fields = ("=user", "=example")
    date_hierarchy = "at"

    def has_view_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return may(request.user, VIEW_AUDIT)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may(request.user, VIEW_AUDIT)
