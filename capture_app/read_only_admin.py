"""Admin pages for what people look at, and code alone writes."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest


class AskableAdmin(admin.ModelAdmin):
    """Its list answers whatever it is asked for."""

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """What asks for a NUL is answered as other filters that cannot be read: PostgreSQL would fail with it."""
        if any("\0" in value for _, values in request.GET.lists() for value in values):
            raise IncorrectLookupParameters("NUL")
        return super().get_changelist_instance(request)


class ReadOnlyAdmin(AskableAdmin):
    """Lists and shows; nobody adds, edits or deletes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
