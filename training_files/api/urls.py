"""The paths of the API. None ends with a slash, as in the seed."""

from typing import Final

from django.urls import include, path, re_path

from training_files.api import (
    build_views,
    conversation_views,
    docs_views,
    download_views,
    file_views,
    member_views,
    version_views,
)

_ROOT: Final = "api/training-files"

# What is no id comes first: ids are UUIDs, so that nothing is hidden.
below = [
    path("openapi.json", docs_views.OpenApiView.as_view(), name="openapi"),
    path("docs", docs_views.page, name="docs"),
    path("content/<str:token>", download_views.ContentView.as_view(), name="content"),
    path("conversations", conversation_views.ConversationsView.as_view(), name="conversations"),
    path(
        "conversations/<path:conversation_id>/pairs/<str:turn>/review",
        conversation_views.ReviewView.as_view(),
        name="review",
    ),
    path("conversations/<path:conversation_id>", conversation_views.ConversationView.as_view(), name="conversation"),
    path("<str:file_id>", file_views.TrainingFileView.as_view(), name="file"),
    path("<str:file_id>/add-conversations", member_views.AddView.as_view(), name="add"),
    path("<str:file_id>/remove-conversations", member_views.RemoveView.as_view(), name="remove"),
    path("<str:file_id>/conversations", member_views.MembersView.as_view(), name="members"),
    path("<str:file_id>/suggestions", member_views.SuggestionsView.as_view(), name="suggestions"),
    path("<str:file_id>/versions", version_views.VersionsView.as_view(), name="versions"),
    path("<str:file_id>/versions/<str:number>", version_views.VersionView.as_view(), name="version"),
    path("<str:file_id>/diff", version_views.DiffView.as_view(), name="diff"),
    path("<str:file_id>/archive", version_views.ArchiveView.as_view(), name="archive"),
    path("<str:file_id>/reopen", version_views.ReopenView.as_view(), name="reopen"),
    path("<str:file_id>/download", download_views.DownloadView.as_view(), name="download"),
    path("<str:file_id>/builds", build_views.BuildsView.as_view(), name="builds"),
    path("<str:file_id>/builds/<str:number>", build_views.BuildView.as_view(), name="build"),
    re_path(r"^[\s\S]*\Z", docs_views.NothingView.as_view()),
]

patterns = [path(_ROOT, file_views.TrainingFilesView.as_view(), name="files"), path(f"{_ROOT}/", include(below))]
