"""Where the pages of the runs are, below the list of runs."""

from functools import partial

from django.contrib.admin import AdminSite
from django.urls import URLPattern, path

from console.runs import views


def urls(site: AdminSite) -> list[URLPattern]:
    return [
        path("start/", site.admin_view(views.start), name="console_runs_start"),
        path("routes/", site.admin_view(partial(views.routes, site=site)), name="console_runs_routes"),
        path("routes/undo/", site.admin_view(views.undo_route), name="console_runs_undo_route"),
        path("<int:run_id>/cancel/", site.admin_view(views.cancel), name="console_runs_cancel"),
        path("<int:run_id>/progress/", site.admin_view(views.progress), name="console_runs_progress"),
    ]
