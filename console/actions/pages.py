"""What the pages of all actions share: where they stand in the admin, and how they say no."""

from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from capture_app.models import ExampleIndex
from console.actions.exceptions import ActionError, TooMany
from console.actions.selection import Selection

LIST = "capture_app_exampleindex_changelist"
_NEXT = "next"  # of the form: where its person came from


class Pages:
    """The base of each action's pages, for one admin site."""

    def __init__(self, site: AdminSite) -> None:
        self.site = site

    def render(self, request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
        """A page below the list of examples."""
        return TemplateResponse(
            request,
            f"console/actions/{template}.html",
            {
                **self.site.each_context(request),
                "title": title,
                "opts": ExampleIndex._meta,
                "list_url": self.reverse(LIST),
                **context,
            },
        )

    def reverse(self, name: str, *args: Any) -> str:
        return reverse(f"admin:{name}", args=args, current_app=self.site.name)

    def redirect(self, name: str, *args: Any) -> HttpResponseRedirect:
        return HttpResponseRedirect(self.reverse(name, *args))

    def refuse(self, request: HttpRequest, error: ActionError, *, command: str = "") -> TemplateResponse:
        """Say why nothing was done, and how it can be."""
        command = command if isinstance(error, TooMany) else ""
        page = self.render(request, "refused", "Nothing was changed", problem=str(error), command=command)
        page.status_code = 400
        return page

    def came_from(self, request: HttpRequest) -> str:
        """Where to go back to: the list as it was filtered, or the page of the example. Never another site."""
        wanted = request.POST.get(_NEXT) or request.GET.get(_NEXT) or ""
        if url_has_allowed_host_and_scheme(wanted, allowed_hosts=None) and wanted.startswith("/"):
            return wanted
        return self.reverse(LIST)

    def say_unknown(self, request: HttpRequest, selection: Selection) -> None:
        """Some of what was named is not in the index any more, and is left out."""
        if selection.unknown:
            messages.warning(request, f"{selection.unknown:,} of the examples are not in the index any more; left out.")
