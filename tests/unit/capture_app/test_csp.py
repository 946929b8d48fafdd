"""What a browser may do on the console's pages."""

from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import Client
from django.urls import path, reverse

from capture_app.csp import DIRECTIVES, POLICY, secured, secured_urls

REQUEST = HttpRequest()


def test_nothing_inline_and_nothing_from_elsewhere_is_allowed() -> None:
    sources = {source for values in DIRECTIVES.values() for source in values}

    assert sources <= {"'self'", "'none'", "data:", "blob:"}
    assert {name for name, values in DIRECTIVES.items() if "data:" in values} == {"img-src"}
    assert POLICY.startswith("default-src 'self'; ")


def test_a_stricter_header_of_the_view_stays() -> None:
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(headers={"Content-Security-Policy": "sandbox"})

    answer = secured(view)(REQUEST)

    assert answer["Content-Security-Policy"] == "sandbox"
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_a_stream_has_the_headers_too() -> None:
    answer = secured(lambda request: StreamingHttpResponse(iter([b"x"])))(REQUEST)

    assert answer["Content-Security-Policy"] == POLICY
    assert answer["Cache-Control"] == "no-store"


def test_the_views_of_patterns_are_secured_and_keep_their_names() -> None:
    def shows(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    [pattern] = secured_urls([path("x/", shows, name="x")])

    assert pattern.callback(REQUEST)["Content-Security-Policy"] == POLICY
    assert (pattern.name, pattern.callback.__name__) == ("x", "shows")


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["admin:index", "admin:login", "admin:auth_user_changelist"])
def test_the_project_sends_the_policy_with_the_pages_of_others(admin_client: Client, name: str) -> None:
    sent = admin_client.get(reverse(name), follow=True)["Content-Security-Policy"]

    assert sorted(sent.split("; ")) == sorted(POLICY.split("; "))


@pytest.mark.django_db
def test_the_page_of_a_periodic_task_has_no_inline_script(admin_client: Client) -> None:
    page: Any = admin_client.get(reverse("admin:django_celery_beat_periodictask_add")).content.decode()

    assert "console/periodic_task.js" in page
    assert 'id="readable-crontabs"' in page
    assert "periodic-task-overrides" not in page
