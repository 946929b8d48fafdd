"""Addresses below that of the list of examples. They are mounted by the admin of ExampleIndex."""

from django.apps import apps
from django.contrib.admin import AdminSite
from django.urls import URLPattern, path

from console.actions.export_pages import ExportPages
from console.actions.forget_pages import ForgetPages
from console.actions.replay_pages import ReplayPages
from console.actions.run_pages import RunPages
from console.actions.tagging import TagPages


def urls(site: AdminSite) -> list[URLPattern]:
    """Those for examples take them as `?id=…`, once for each, or from a form."""
    exports, forgetting, runs = ExportPages(site), ForgetPages(site), RunPages(site)
    replays, view = ReplayPages(site), site.admin_view
    return [
        path("actions/tag/", view(TagPages(site).tag), name="console_tag"),
        path("actions/export/", view(exports.export), name="console_export"),
        path("actions/export/<int:run_id>/download/", view(exports.download), name="console_export_download"),
        path("actions/forget/", view(forgetting.forget), name="console_forget"),
        path("actions/receipt/<slug:erasure_id>/", view(forgetting.receipt), name="console_receipt"),
        path("actions/replay/", view(replays.replay), name="console_replay"),
        path("actions/replay/<path:example_id>/", view(replays.replay), name="console_replay"),
        path("actions/run/<int:run_id>/", view(runs.run), name="console_action_run"),
        path("actions/run/<int:run_id>/progress/", view(runs.progress), name="console_action_progress"),
        path("actions/run/<int:run_id>/again/", view(runs.again), name="console_action_again"),
        *_of_training_files(site),
    ]


def _of_training_files(site: AdminSite) -> list[URLPattern]:
    if not apps.is_installed("training_files"):
        return []
    from console.training_files.pages import urls as found  # needs the app, which is optional

    return found(site)
