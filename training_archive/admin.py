"""The chunks of the archive, to look at."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from training_archive.models import ArchivedChunk


@admin.register(ArchivedChunk)
class ArchivedChunkAdmin(admin.ModelAdmin):
    list_display = ("name", "rows", "size", "first_created_at", "last_created_at", "archived_at")
    search_fields = ("name", "sha256")
    date_hierarchy = "archived_at"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
