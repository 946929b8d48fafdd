"""Captured examples and the state of the jobs, to look at. Nobody adds or edits them here: code writes them."""

from django.contrib import admin
from django.utils.text import Truncator

from capture_app.models import ExampleIndex, Job
from capture_app.read_only_admin import ReadOnlyAdmin

_CELL_CHARACTERS = 90


@admin.register(ExampleIndex)
class ExampleIndexAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "task", "model_name", "tokens", "cost_usd", "latency_ms", "prompt", "response")
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


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = ("name", "state", "last_success_at", "started_at", "finished_at", "duration", "rows", "problem")

    @admin.display(description="seconds", ordering="seconds")
    def duration(self, job: Job) -> str:
        return "" if job.seconds is None else f"{job.seconds:.1f}"


def _figure(tokens: int | None) -> str:
    return "?" if tokens is None else f"{tokens:,}"
