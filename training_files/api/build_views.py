"""Long additions: more conversations than one request may name, by a worker, looked at until they are done."""

from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from training_files import builds, service
from training_files.api.answers import Builds, OneBuild
from training_files.api.asked import NewBuild, Paged
from training_files.api.base import ApiView, done_once, path_number, path_uuid
from training_files.api.callers import READ, WRITE
from training_files.api.pages import page_of_positions
from training_files.api.told import FILE_ID, LOCATION, NUMBER, told
from training_files.exceptions import NotFound
from training_files.finding import ids_of_enriched
from training_files.models import Build


class BuildsView(ApiView):
    scopes = {"GET": READ, "POST": WRITE}
    most_bytes = 8 * 2**20  # ids of more conversations than one request may name otherwise

    @told("listBuilds", {200: Builds}, 400, 404, parameters=(FILE_ID, Paged))
    def get(self, request: Request, file_id: str) -> Response:
        """List the long additions to a training file, the newest first."""
        wanted = self.asked_in_query(Paged)
        rows = service.get_training_file(path_uuid(file_id)).builds.all()

        def fetch(offset: int, limit: int) -> list[Build]:
            return list(rows[offset : offset + limit])

        page = page_of_positions(request, fetch, limit=wanted["limit"], cursor=wanted.get("cursor"))
        return Response(Builds({"builds": page.items, "next": page.next, "previous": page.previous}).data)

    @told("startBuild", {202: OneBuild}, 404, parameters=(FILE_ID, LOCATION), request=NewBuild, is_once=True)
    @done_once
    def post(self, request: Request, file_id: str) -> Response:
        """Add more conversations than one request may name, or all that a filter finds. A worker does it."""
        asked, key = self.asked(NewBuild), path_uuid(file_id)
        matching = asked.get("filter")
        ids = asked["conversation_ids"] if matching is None else ids_of_enriched(**matching)
        build = builds.start_build(key, conversation_ids=ids, by=self.actor, skip_present=matching is not None)
        builds.send(build)
        location = reverse("training_files:build", args=[build.training_file_id, build.pk])
        return Response(OneBuild(build).data, status=202, headers={"Location": location})


class BuildView(ApiView):
    scopes = {"GET": READ}

    @told("getBuild", {200: OneBuild}, 404, parameters=(FILE_ID, NUMBER))
    def get(self, request: Request, file_id: str, number: str) -> Response:
        """Look how far a long addition is."""
        found = Build.objects.filter(training_file=path_uuid(file_id), pk=path_number(number)).first()
        if found is None:
            raise NotFound(f"The training file {file_id} has no build {number}.")
        return Response(OneBuild(found).data)
