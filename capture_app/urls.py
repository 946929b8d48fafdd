"""`path("", include("capture_app.urls"))` gives /healthz and /metrics, which ask nobody who they are, and
/api/feedback, which asks for a token."""

from django.urls import path

from capture_app import views

urlpatterns = [
    path("healthz", views.healthz, name="healthz"),
    path("metrics", views.metrics, name="metrics"),
    path("api/feedback", views.feedback, name="feedback"),
]
