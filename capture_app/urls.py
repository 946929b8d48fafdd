"""`path("", include("capture_app.urls"))` gives /healthz and /metrics. Neither asks who is there."""

from django.urls import path

from capture_app import views

urlpatterns = [
    path("healthz", views.healthz, name="healthz"),
    path("metrics", views.metrics, name="metrics"),
]
