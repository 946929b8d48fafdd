"""The chunks of the archive, to look at."""

from django.contrib import admin

from capture_app.read_only_admin import ReadOnlyAdmin
from training_archive.models import ArchivedChunk


@admin.register(ArchivedChunk)
class ArchivedChunkAdmin(ReadOnlyAdmin):
    list_display = ("name", "rows", "size", "first_created_at", "last_created_at", "archived_at")
    search_fields = ("name", "sha256")
    date_hierarchy = "archived_at"
