"""An admin without the console, which puts its own list of examples in the place of the plain one."""

from django.contrib.admin import AdminSite
from django.urls import path

from capture_app.admin import ExampleIndexAdmin, JobAdmin
from capture_app.models import ExampleIndex, Job

site = AdminSite()
site.register(ExampleIndex, ExampleIndexAdmin)
site.register(Job, JobAdmin)

urlpatterns = [path("admin/", site.urls)]
