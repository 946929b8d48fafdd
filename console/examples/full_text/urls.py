"""Addresses below that of the list of examples. They are mounted by the admin of ExampleIndex."""

from django.contrib.admin import AdminSite
from django.urls import URLPattern, path

from console.examples.full_text.views import full_text


def urls(site: AdminSite) -> list[URLPattern]:
    return [path("full-text/", site.admin_view(full_text), {"site": site}, name="console_examples_full_text")]
