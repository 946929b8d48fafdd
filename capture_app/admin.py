"""Captured examples, to look at. Nobody adds or edits them here: they come from calls."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.text import Truncator

from capture_app.models import ExampleIndex

_CELL_CHARACTERS = 90


@admin.register(ExampleIndex)
class ExampleIndexAdmin(admin.ModelAdmin):
    list_display = ("created_at", "task", "model_name", "tokens", "latency_ms", "prompt", "response")
    list_filter = ("task", "provider", "model_name", "is_partial", "has_tools")
    search_fields = ("=id", "=prompt_hash", "=conversation_id", "prompt_preview", "response_preview")
    date_hierarchy = "created_at"
    show_full_result_count = False

    @admin.display(description="tokens in / out")
    def tokens(self, example: ExampleIndex) -> str:
        return f"{_figure(example.input_tokens)} / {_figure(example.output_tokens)}"

    @admin.display(ordering="prompt_preview")
    def prompt(self, example: ExampleIndex) -> str:
        return Truncator(example.prompt_preview).chars(_CELL_CHARACTERS)

    @admin.display(ordering="response_preview")
    def response(self, example: ExampleIndex) -> str:
        return Truncator(example.response_preview).chars(_CELL_CHARACTERS)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _figure(tokens: int | None) -> str:
    return "?" if tokens is None else f"{tokens:,}"
