"""Captured examples in the admin."""

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.views.main import ERROR_FLAG
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern
from django.utils.html import format_html, format_html_join
from django.utils.text import Truncator

from capture_app import admin as plain  # noqa: F401  (registers the plain list, which this one replaces)
from capture_app.csp import secured_urls
from capture_app.models import ExampleIndex
from capture_app.read_only_admin import ReadOnlyAdmin
from capture_app.shown import short, visible
from console.access import VIEW_TEXT, may, may_list
from console.actions import urls as actions
from console.actions.admin import PickedActions
from console.example_page import urls as example_page
from console.example_page.views import example_page as show_example
from console.examples.changelist import TIME, ExampleChangeList
from console.examples.full_text import urls as full_text
from console.examples.inbox import waiting
from console.examples.listing import PAGE
from console.examples.wanted import read
from console.review import urls as review

_CELL_CHARACTERS = 90
_NAME_CHARACTERS = 60
_NOT_KNOWN = "-"
_VERDICTS = {"good": "✓ good", "bad": "✗ bad", "": ""}

admin.site.unregister(ExampleIndex)


@admin.register(ExampleIndex)
class ExampleAdmin(PickedActions, ReadOnlyAdmin):
    list_display = (TIME, "task_and_model", "spent", "judgment", "where")
    change_list_template = "console/examples/list.html"
    list_per_page = PAGE
    search_fields = ("id",)  # so that there is a box; what it finds is not Django's to say
    sortable_by = (TIME,)
    show_facets = admin.ShowFacets.NEVER
    actions_on_bottom = False

    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site
        own = secured_urls(super().get_urls())
        return [*review.urls(site), *actions.urls(site), *full_text.urls(site), *example_page.urls(site), *own]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ExampleChangeList]:
        return ExampleChangeList

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        if not may(request.user, VIEW_TEXT):
            return self.list_display
        return (TIME, "words", *self.list_display[1:])

    def has_view_permission(self, request: HttpRequest, obj: ExampleIndex | None = None) -> bool:
        return may_list(request.user)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        may_read = may(request.user, VIEW_TEXT)
        _, kept, left_out = read(request.GET, may_read=may_read)
        if left_out and self.has_view_permission(request):
            return self._without(request, kept.urlencode(), [name for name in left_out if name != ERROR_FLAG])
        context = {"waiting": waiting(), "may_read": may_read, "title": "Captured examples", **(extra_context or {})}
        return super().changelist_view(request, context)

    def _without(self, request: HttpRequest, query: str, left_out: list[str]) -> HttpResponseRedirect:
        """To the list without what it cannot be asked. An action on it is not done: its reach would be another."""
        if left_out:
            names = ", ".join(short(name[:_NAME_CHARACTERS]) for name in left_out)
            self.message_user(
                request, f"The list cannot be asked for this, so it was left out: {names}.", messages.WARNING
            )
        return HttpResponseRedirect(f"{request.path}?{query}" if query else request.path)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return cast(HttpResponse, show_example(request, object_id, self.admin_site))

    # --- Columns -----------------------------------------------------------------------------------------------------

    @admin.display(description="time (UTC)", ordering="created_at")
    def time(self, example: ExampleIndex) -> str:
        return f"{example.created_at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="task, model")
    def task_and_model(self, example: ExampleIndex) -> str:
        return _lines(_name(example.task), _name(example.model_name))

    @admin.display(description="tokens in / out, cost, latency")
    def spent(self, example: ExampleIndex) -> str:
        cost = _NOT_KNOWN if example.cost_usd is None else f"${example.cost_usd:,.6f}"
        latency = _NOT_KNOWN if example.latency_ms is None else f"{example.latency_ms:,} ms"
        return _lines(f"{_figure(example.input_tokens)} / {_figure(example.output_tokens)}", cost, latency)

    @admin.display(description="where")
    def where(self, example: ExampleIndex) -> str:
        return _name(_facts(example).place)

    @admin.display(description="review, rating")
    def judgment(self, example: ExampleIndex) -> str:
        facts = _facts(example)
        said = [_VERDICTS.get(facts.verdict, facts.verdict), "corrected" if facts.is_corrected else ""]
        rating = "" if facts.score is None else f"rated {facts.score:g}"
        return _lines(*filter(None, [*said, rating])) or _NOT_KNOWN

    @admin.display(description="prompt, response")
    def words(self, example: ExampleIndex) -> str:
        return _lines(_cell(example.prompt_preview), _cell(example.response_preview))


def _lines(first: str = "", *others: str) -> str:
    """Each in a line of its own, the first one in front of the eye; "" for none."""
    rest = format_html_join("", '<div dir="auto" class="examples-second">{}</div>', ((each,) for each in others))
    return format_html('<div dir="auto">{}</div>{}', first, rest) if first else ""


def _facts(example: ExampleIndex) -> Any:
    return example.facts  # type: ignore[attr-defined]  # the list's own; see changelist


def _figure(number: int | None) -> str:
    return _NOT_KNOWN if number is None else f"{number:,}"


def _name(text: str) -> str:
    return visible(Truncator(text).chars(_NAME_CHARACTERS)) or _NOT_KNOWN


def _cell(text: str) -> str:
    return visible(Truncator(text).chars(_CELL_CHARACTERS))
