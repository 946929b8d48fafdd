"""`path("", include("training_files.urls"))` gives the API of docs/training_files_api.md."""

from training_files.api.urls import patterns

app_name = "training_files"

urlpatterns = patterns
