"""Captured examples in the admin."""

from django.contrib import admin
from django.urls import URLPattern

from capture_app import admin as plain
from capture_app.models import ExampleIndex
from console.actions import urls as actions
from console.example_page import urls as example_page
from console.review import urls as review

admin.site.unregister(ExampleIndex)  # the plain list that capture_app offers on its own


@admin.register(ExampleIndex)
class ExampleAdmin(plain.ExampleIndexAdmin):
    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site
        return [*review.urls(site), *actions.urls(site), *example_page.urls(site), *super().get_urls()]
