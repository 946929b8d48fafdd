"""What is remembered of users: to look at."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from capture_app.read_only_admin import ReadOnlyAdmin
from capture_app.shown import short, visible
from continuous_training.models import Memory


@admin.register(Memory)
class MemoryAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "user", "note", "embedder")
    fields = ("example_id", "user", "conversation", "created_at", "note", "embedder")
    readonly_fields = fields
    list_filter = ("embedder",)
    search_fields = ("=user_id", "=example_id", "=conversation_id")
    ordering = ("-created_at",)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Memory]:
        """Without the marks of what had nothing to remember."""
        return super().get_queryset(request).exclude(summary="").defer("embedding")

    @admin.display(ordering="user_id")
    def user(self, memory: Memory) -> str:
        return short(memory.user_id)

    @admin.display
    def conversation(self, memory: Memory) -> str:
        return short(memory.conversation_id)

    @admin.display(description="summary")
    def note(self, memory: Memory) -> str:
        return visible(memory.summary)
