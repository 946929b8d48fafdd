"""Versions of a training file, and how they differ; and whether it takes changes at all."""

from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from training_files import service
from training_files.api.answers import Diff, OneTrainingFile, OneVersion, Versions, shown
from training_files.api.asked import DiffWanted, NewVersion, Paged
from training_files.api.base import ApiView, done_once, path_number, path_uuid
from training_files.api.callers import READ, WRITE
from training_files.api.file_views import one
from training_files.api.pages import page_of_positions
from training_files.api.told import FILE_ID, LOCATION, NUMBER, told
from training_files.describing import Described, describe_version


class VersionsView(ApiView):
    scopes = {"GET": READ, "POST": WRITE}

    @told("listVersions", {200: Versions}, 400, 404, parameters=(FILE_ID, Paged))
    def get(self, request: Request, file_id: str) -> Response:
        """List the versions, the newest first."""
        wanted = self.asked_in_query(Paged)
        training_file = service.get_training_file(path_uuid(file_id))

        def fetch(offset: int, limit: int) -> list[Described]:
            rows = training_file.versions.order_by("-number")[offset : offset + limit]
            return [describe_version(training_file, row) for row in rows]

        page = page_of_positions(request, fetch, limit=wanted["limit"], cursor=wanted.get("cursor"))
        versions = [shown(each) for each in page.items]
        return Response(Versions({"versions": versions, "next": page.next, "previous": page.previous}).data)

    @told("newVersion", {201: OneVersion}, 404, parameters=(FILE_ID, LOCATION), request=NewVersion, is_once=True)
    @done_once
    def post(self, request: Request, file_id: str) -> Response:
        """Leave the current version as it is from now on, and go on with the next one."""
        asked = self.asked(NewVersion)
        training_file = service.new_version(path_uuid(file_id), by=self.actor, **asked)
        location = reverse("training_files:version", args=[training_file.pk, training_file.version])
        answer = OneVersion(shown(service.describe(training_file)))
        return Response(answer.data, status=201, headers={"Location": location})


class VersionView(ApiView):
    scopes = {"GET": READ}

    @told("getVersion", {200: OneVersion}, 404, parameters=(FILE_ID, NUMBER))
    def get(self, request: Request, file_id: str, number: str) -> Response:
        """Look at a version."""
        training_file = service.get_training_file(path_uuid(file_id))
        return Response(OneVersion(shown(service.describe(training_file, path_number(number)))).data)


class DiffView(ApiView):
    scopes = {"GET": READ}

    @told("diffVersions", {200: Diff}, 400, 404, parameters=(FILE_ID, DiffWanted))
    def get(self, request: Request, file_id: str) -> Response:
        """Compare two versions by their conversations."""
        wanted = self.asked_in_query(DiffWanted)
        found = service.diff_versions(path_uuid(file_id), **wanted)
        lists = {"added": found.added, "removed": found.removed, "changed": found.changed}
        return Response(Diff({**wanted, **lists}).data)


class ArchiveView(ApiView):
    scopes = {"POST": WRITE}

    @told("archiveTrainingFile", {200: OneTrainingFile}, 404, parameters=(FILE_ID,), is_once=True)
    @done_once
    def post(self, request: Request, file_id: str) -> Response:
        """Take it out of the list. It stays, can be downloaded, and takes no changes."""
        return one(service.archive_training_file(path_uuid(file_id), by=self.actor))


class ReopenView(ApiView):
    scopes = {"POST": WRITE}

    @told("reopenTrainingFile", {200: OneTrainingFile}, 404, parameters=(FILE_ID,), is_once=True)
    @done_once
    def post(self, request: Request, file_id: str) -> Response:
        """Let it take changes again. A build that had failed ends with what it had added."""
        return one(service.reopen_training_file(path_uuid(file_id), by=self.actor))
