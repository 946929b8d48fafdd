"""Addresses below that of the list of examples. They are mounted by the admin of ExampleIndex."""

from django.contrib.admin import AdminSite
from django.urls import URLPattern, path

from console.review import views


def urls(site: AdminSite) -> list[URLPattern]:
    given = {"site": site}
    return [
        path("review/", site.admin_view(views.review_queue), given, name="console_review"),
        path("review/judge/", site.admin_view(views.judge_example), given, name="console_review_judge"),
        path("review/undo/", site.admin_view(views.undo_judgment), given, name="console_review_undo"),
    ]
