"""Addresses below that of the list of examples. They are mounted by the admin of ExampleIndex."""

from django.contrib.admin import AdminSite
from django.urls import URLPattern


def urls(site: AdminSite) -> list[URLPattern]:
    return []
