"""The dashboard, for the admin's first page."""

from collections.abc import Sequence
from typing import Any

from django import template
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from console.access import VIEW_FIGURES, may
from console.figures.dashboard import Dashboard, dashboard

register = template.Library()


@register.simple_tag(takes_context=True)
def may_see_figures(context: dict[str, Any]) -> bool:
    """Whether this is the first page itself, not that of an app, and its reader may see figures."""
    request = context.get("request")
    return isinstance(request, HttpRequest) and "app_label" not in context and may(request.user, VIEW_FIGURES)


@register.simple_tag(takes_context=True)
def figures_dashboard(context: dict[str, Any]) -> Dashboard:
    """What to show; see dashboard."""
    return dashboard(context["request"])


@register.simple_tag
def figures_rows(rows: Sequence[Sequence[str]]) -> SafeString:
    """Rows of a table, the first cell of each its head. A year has ten thousand cells, too many for the template."""
    cells = "<td>{}</td>" * (len(rows[0]) - 1)
    return format_html_join("\n", f'<tr><th scope="row">{{}}</th>{cells}</tr>', rows)
