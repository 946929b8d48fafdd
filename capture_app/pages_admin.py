"""An admin whose list is Django's and whose pages are our own: where they stand, and how they say no."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from capture_app.csp import secured_urls
from capture_app.read_only_admin import AskableAdmin

View = Callable[..., HttpResponseBase]


class Told:
    """What a service refuses within it is shown on the page that comes next, and nothing else is done."""

    def __init__(self, request: HttpRequest, *refusals: type[Exception]) -> None:
        self._request = request
        self._refusals = refusals

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, self._refusals):
            return False
        messages.error(self._request, str(error))
        return True


class PagesAdmin(AskableAdmin):
    """Every change is a service's; Django's own forms are not there."""

    templates: ClassVar[str]  # the folder of its pages' templates

    actions_on_bottom = False
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 50

    def get_urls(self) -> list[URLPattern]:
        return secured_urls([*self.own_urls(), *super().get_urls()])

    def own_urls(self) -> list[URLPattern]:
        return []

    def own(self, route: str, view: View, name: str) -> URLPattern:
        """A page below the list, named as Django names those of a model."""

        @wraps(view)
        def shown(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
            return view(request, **kwargs)

        return path(route, self.admin_site.admin_view(shown), name=self._name(name))

    def _name(self, name: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{name}"

    def address(self, name: str, *args: Any, **query: Any) -> str:
        url = reverse(f"admin:{self._name(name)}", args=args, current_app=self.admin_site.name)
        asked = {key: value for key, value in query.items() if value not in ("", None)}
        return f"{url}?{urlencode(asked)}" if asked else url

    def page_of(self, row: Model) -> str:
        return self.address("change", quote(row.pk))

    def go_to(self, row: Model, *, anchor: str = "") -> HttpResponseRedirect:
        return HttpResponseRedirect(self.page_of(row) + anchor)

    def render(self, request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
        return TemplateResponse(
            request,
            f"{self.templates}/{template}.html",
            {
                **self.admin_site.each_context(request),
                "title": title,
                "opts": self.opts,
                "list_url": self.address("changelist"),
                "list_name": self.opts.verbose_name_plural,
                **context,
            },
        )

    def must(self, is_allowed: bool) -> None:
        if not is_allowed:
            raise PermissionDenied
