"""The description of the API, for programs, and as a page for people that needs no network beyond this site."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.request import HttpHeaders
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe
from rest_framework.request import Request
from rest_framework.response import Response

from capture_app.csp import secured
from training_files.api.base import ApiView
from training_files.api.description import openapi
from training_files.exceptions import NotFound


class OpenApiView(ApiView):
    """Says nothing of any training file, so it is for everybody."""

    authentication_classes = []
    permission_classes = []
    schema = None  # type: ignore[assignment]  # as the framework has it for views that are not described

    def get(self, request: Request) -> Response:
        return Response(openapi())


class NothingView(ApiView):
    """What is no address of the API, in the shape of all its other answers; also an id with a line break."""

    authentication_classes = []
    permission_classes = []
    schema = None  # type: ignore[assignment]  # as above

    def http_method_not_allowed(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        raise NotFound("There is nothing at this address.")


@require_safe
@secured
def page(request: HttpRequest) -> HttpResponse:
    """Swagger UI, out of drf-spectacular-sidecar. Nothing of the page is inline, so its policy can forbid that."""
    context = {
        "description": reverse("training_files:openapi"),
        "csrf_header": HttpHeaders.parse_header_name(settings.CSRF_HEADER_NAME),
        "csrf_value": get_token(request),
    }
    return render(request, "training_files/api_page.html", context)
