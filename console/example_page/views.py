"""The page of one example, and the images and files in it."""

from django.contrib.admin import AdminSite
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from capture_app.csp import secured
from capture_app.shown import short
from console import audit
from console.access import VIEW_TEXT, may_list, needs
from console.example_page.attachments import send_attachment
from console.example_page.beside import ANCHOR
from console.example_page.finding import Trouble, find_row
from console.example_page.page import Asked, make_page

_TEMPLATE = "console/example_page/page.html"
_NOT_THERE = "console/example_page/not_there.html"


@secured
@require_safe
def example_page(request: HttpRequest, object_id: str, admin_site: AdminSite) -> HttpResponseBase:
    """Everything about one example that the user may see. `object_id` is its id as the admin quotes it in addresses."""
    if not may_list(request.user):
        raise PermissionDenied
    example_id = unquote(object_id)
    row, trouble = find_row(example_id)
    if row is None:
        return _not_there(request, example_id, trouble, admin_site)
    page = make_page(row, request.user, _asked(request))
    has_text = bool(page.words and page.words.conversation)
    audit.note(request.user, audit.SAW, example=row.pk, details={"text": has_text})
    context = {
        **admin_site.each_context(request),
        "title": f"Example {page.name}",
        "opts": row._meta,
        "page": page,
        "whole_url": "?all=1",
    }
    return TemplateResponse(request, _TEMPLATE, context)


def _not_there(
    request: HttpRequest, example_id: str, trouble: Trouble | None, admin_site: AdminSite
) -> TemplateResponse:
    context = {
        **admin_site.each_context(request),
        "title": trouble.title if trouble else "",
        "name": short(example_id),
        "trouble": trouble,
    }
    return TemplateResponse(request, _NOT_THERE, context, status=404)


def _asked(request: HttpRequest) -> Asked:
    query = request.GET
    return Asked(query.get("all") == "1", query.get(ANCHOR, ""), query.get("lineage") == "1")


@needs(VIEW_TEXT)
@require_safe
def example_attachment(request: HttpRequest, object_id: str, name: str) -> HttpResponseBase:
    """An image or a file in one of the example's messages."""
    example_id = unquote(object_id)
    row, trouble = find_row(example_id)
    if row is None:
        raise Http404(trouble.title if trouble else "")
    return send_attachment(str(request.user.pk), example_id, name, request.GET.get("key", ""))
