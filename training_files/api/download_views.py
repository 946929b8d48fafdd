"""Downloads: a link to a version, and what a link of ours leads to."""

from typing import Any, Final

from django.http import StreamingHttpResponse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response

from capture_app.streaming import streamed
from training_files.api.answers import Download
from training_files.api.asked import DownloadWanted
from training_files.api.base import ApiView, path_uuid
from training_files.api.callers import READ
from training_files.api.told import FILE_ID, told
from training_files.downloads import download_link, open_download

_TOKEN: Final = OpenApiParameter(
    "token", str, OpenApiParameter.PATH, required=True, description="Of a download_url, as it is."
)


class DownloadView(ApiView):
    scopes = {"GET": READ}

    @told("downloadTrainingFile", {200: Download}, 400, 404, 409, 500, 503, parameters=(FILE_ID, DownloadWanted))
    def get(self, request: Request, file_id: str) -> Response:
        """Make a link to download a version. Whoever has the link needs no token."""
        wanted = self.asked_in_query(DownloadWanted)
        link = download_link(path_uuid(file_id), wanted["format"], number=wanted.get("version"), by=self.actor)
        return Response(
            Download(
                {
                    "download_url": request.build_absolute_uri(link.url),
                    "filename": link.filename,
                    "expires_in_seconds": link.expires_in_seconds,
                }
            ).data
        )


class ContentView(ApiView):
    """The signature is the right: nobody is asked who they are."""

    authentication_classes = []
    permission_classes = []

    @told(
        "downloadContent",
        {
            (200, "application/json"): OpenApiResponse({"type": "object"}, description="The full file."),
            (200, "application/x-ndjson"): OpenApiResponse({"type": "string"}, description="JSON Lines."),
        },
        is_public=True,
        parameters=(_TOKEN,),
        auth=[],
    )  # fmt: skip
    def get(self, request: Request, token: str) -> StreamingHttpResponse:
        """Download what a link is for, as a stream of a length that is known beforehand."""
        download = open_download(token)
        response = streamed(
            request._request,
            download.blocks,
            filename=download.filename,
            size=download.size,
            content_type=download.content_type,
        )
        response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """A file is what it is, whatever Accept says."""
        return super().perform_content_negotiation(request, force=True)
