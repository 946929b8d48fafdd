"""What can be reached: the admin for people, APIs for programs, /healthz and /metrics for machines that watch."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

admin.autodiscover()  # what AdminOnDemandConfig leaves to whoever needs pages
admin.site.site_header = "Gleaner"
admin.site.site_title = "Gleaner"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}console/favicon.svg")),
    path("", include("capture_app.urls")),
    path("", include("training_files.urls")),
]
