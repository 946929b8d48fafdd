"""A project that has nothing but capture's own pages."""

from django.urls import include, path

urlpatterns = [path("", include("capture_app.urls"))]
