"""Captured examples, feedback, tokens and the state of the jobs, to look at. Nobody adds or edits them here: code
writes them."""

from typing import Any

from django.contrib import admin
from django.db.models import Case, QuerySet, When
from django.http import HttpRequest
from django.utils.text import Truncator

from capture_app.models import ApiToken, BudgetAlert, ExampleIndex, Feedback, Job, Spend
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


@admin.register(Feedback)
class FeedbackAdmin(ReadOnlyAdmin):
    """Who said how much of which example, when. The words are left to pages that ask who may read examples."""

    list_display = ("created_at", "example_id", "score", "source", "is_commented", "is_corrected")
    list_filter = ("source",)
    search_fields = ("=example__id", "=source")
    date_hierarchy = "created_at"
    show_full_result_count = False
    fields = ("created_at", "example_id", "score", "source", "is_commented", "is_corrected")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Feedback]:
        """Without the words, which make many megabytes when a page has long ones."""
        rows: QuerySet[Feedback] = super().get_queryset(request).defer("label", "comment", "correction")
        return rows.annotate(has_comment=_is_said("comment"), has_correction=_is_said("correction"))

    @admin.display(boolean=True, description="comment")
    def is_commented(self, feedback: Any) -> bool:
        return bool(feedback.has_comment)

    @admin.display(boolean=True, description="correction")
    def is_corrected(self, feedback: Any) -> bool:
        return bool(feedback.has_correction)


def _is_said(field: str) -> Case:
    return Case(When(**{field: ""}, then=False), default=True)


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    list_display = ("name", "allows", "created_at", "expires_at", "revoked_at", "last_used_at")
    search_fields = ("=name",)
    fields = ("name", "allows", "created_at", "expires_at", "revoked_at", "last_used_at")

    @admin.display(description="scopes")
    def allows(self, token: ApiToken) -> str:
        return ", ".join(token.scopes)


def _figure(tokens: int | None) -> str:
    return "?" if tokens is None else f"{tokens:,}"


@admin.register(Spend)
class SpendAdmin(ReadOnlyAdmin):
    list_display = ("spent_at", "task", "purpose", "usd", "key")
    list_filter = ("purpose", "task")
    search_fields = ("=key",)
    date_hierarchy = "spent_at"


@admin.register(BudgetAlert)
class BudgetAlertAdmin(ReadOnlyAdmin):
    list_display = ("alerted_at", "tasks", "period", "begins_at", "percent", "spent_usd", "limit_usd")
    list_filter = ("tasks", "period")
    date_hierarchy = "alerted_at"
