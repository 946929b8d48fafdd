"""Training files: list, create, look at, change, delete."""

from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response

from training_files import service
from training_files.api.answers import OneTrainingFile, TrainingFiles, shown
from training_files.api.asked import ChangedTrainingFile, NewTrainingFile, TrainingFilesWanted
from training_files.api.base import ApiView, done_once, path_uuid
from training_files.api.callers import READ, WRITE
from training_files.api.pages import page_of_rows
from training_files.api.told import FILE_ID, LOCATION, told
from training_files.describing import describe_all
from training_files.models import TrainingFile


def one(training_file: TrainingFile, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A training file as an answer."""
    return Response(OneTrainingFile(shown(service.describe(training_file))).data, status=status, headers=headers)


class TrainingFilesView(ApiView):
    scopes = {"GET": READ, "POST": WRITE}

    @told("listTrainingFiles", {200: TrainingFiles}, 400, 404, parameters=(TrainingFilesWanted,))
    def get(self, request: Request) -> Response:
        """List training files, the newest first."""
        wanted = self.asked_in_query(TrainingFilesWanted)
        limit, cursor = wanted.pop("limit"), wanted.pop("cursor", None)
        page = page_of_rows(request, service.find_training_files(**wanted), limit=limit, cursor=cursor)
        files = [shown(each) for each in describe_all(page.items)]
        return Response(TrainingFiles({"files": files, "next": page.next, "previous": page.previous}).data)

    @told(
        "createTrainingFile", {201: OneTrainingFile}, 500, 503,
        parameters=(LOCATION,), request=NewTrainingFile, is_once=True,
    )  # fmt: skip
    @done_once
    def post(self, request: Request) -> Response:
        """Make a training file of some conversations, in this order. It belongs to whoever makes it."""
        asked = self.asked(NewTrainingFile)
        training_file = service.create_training_file(by=self.actor, **asked)
        return one(training_file, 201, {"Location": reverse("training_files:file", args=[training_file.pk])})


class TrainingFileView(ApiView):
    scopes = {"GET": READ, "PATCH": WRITE, "DELETE": WRITE}

    @told("getTrainingFile", {200: OneTrainingFile}, 404, parameters=(FILE_ID,))
    def get(self, request: Request, file_id: str) -> Response:
        """Look at a training file."""
        return one(service.get_training_file(path_uuid(file_id)))

    @told("changeTrainingFile", {200: OneTrainingFile}, 404, 409, parameters=(FILE_ID,), request=ChangedTrainingFile)
    def patch(self, request: Request, file_id: str) -> Response:
        """Change its name, its description, or both."""
        asked = self.asked(ChangedTrainingFile)
        return one(service.rename_training_file(path_uuid(file_id), by=self.actor, **asked))

    @told("deleteTrainingFile", {204: OpenApiResponse(description="It is gone.")}, 404, 409, parameters=(FILE_ID,))
    def delete(self, request: Request, file_id: str) -> Response:
        """Delete it with all its versions. Its conversations stay."""
        service.delete_training_file(path_uuid(file_id), by=self.actor)
        return Response(status=204)
