"""Captured examples, to look at. Nobody adds or edits them here: they come from calls."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from capture_app.models import ExampleIndex


@admin.register(ExampleIndex)
class ExampleIndexAdmin(admin.ModelAdmin):
    list_display = (
        "created_at",
        "task",
        "model_name",
        "prompt_preview",
        "response_preview",
        "input_tokens",
        "output_tokens",
        "latency_ms",
    )
    list_filter = ("task", "provider", "model_name", "is_partial", "has_tools")
    search_fields = ("=id", "=prompt_hash", "=conversation_id", "prompt_preview", "response_preview")
    date_hierarchy = "created_at"
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
