"""The chunks of the archive, its runs, the data sets made from it, and what was erased from it: to look at."""

from django.contrib import admin

from capture_app.read_only_admin import ReadOnlyAdmin
from training_archive.models import ArchivedChunk, ArchiveRun, DatasetExport, Erasure


@admin.register(ArchivedChunk)
class ArchivedChunkAdmin(ReadOnlyAdmin):
    list_display = ("name", "zip_name", "rows", "size", "first_created_at", "last_created_at", "archived_at")
    list_filter = ("zip_name",)
    search_fields = ("name", "sha256")
    date_hierarchy = "archived_at"


@admin.register(ArchiveRun)
class ArchiveRunAdmin(ReadOnlyAdmin):
    list_display = ("requested_at", "kind", "state", "requested_by", "rows", "chunks", "bytes", "problems", "problem")
    list_filter = ("kind", "state")
    search_fields = ("requested_by", "problem")
    date_hierarchy = "requested_at"


@admin.register(DatasetExport)
class DatasetExportAdmin(ReadOnlyAdmin):
    list_display = ("path", "format", "rows", "created_at")
    list_filter = ("format",)
    search_fields = ("path",)
    date_hierarchy = "created_at"


@admin.register(Erasure)
class ErasureAdmin(ReadOnlyAdmin):
    list_display = ("id", "kind", "examples", "requested_by", "requested_at", "finished_at")
    list_filter = ("kind",)
    exclude = ("progress",)  # the receipt has it in words
    search_fields = ("id", "requested_by")
    date_hierarchy = "requested_at"
