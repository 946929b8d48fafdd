"""Addresses below that of the list of examples. They are mounted by the admin of ExampleIndex."""

from django.contrib.admin import AdminSite
from django.urls import URLPattern, path

from console.example_page.views import example_attachment, example_page


def urls(site: AdminSite) -> list[URLPattern]:
    return [
        path("<path:object_id>/page/", site.admin_view(example_page), {"admin_site": site}, name="console_example"),
        path(
            "<path:object_id>/page/attachments/<str:name>",
            site.admin_view(example_attachment),
            name="console_example_attachment",
        ),
    ]
