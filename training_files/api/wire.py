"""How requests and answers are written: JSON, and nothing that a project chose for other APIs of its own."""

from collections.abc import Iterable, Mapping
from typing import IO, Any, Final

import orjson
from django.utils.http import parse_header_parameters
from rest_framework import exceptions
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.utils.mediatypes import media_type_matches, order_by_precedence
from rest_framework.versioning import AcceptHeaderVersioning

VERSION: Final = "1"
MOST_BYTES: Final = 2**20  # of a body


class TooLarge(exceptions.APIException):
    """A body has more bytes than are allowed."""

    status_code = 413
    default_code = "too_large"

    def __init__(self, most: int) -> None:
        super().__init__(f"The body has more than {most:,} bytes. Nothing was changed; send less at once.")


class BytesParser(BaseParser):
    """JSON that is not read yet. No more than `most_bytes` of the view."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        most = getattr((parser_context or {}).get("view"), "most_bytes", MOST_BYTES)
        body: bytes = stream.read(most + 1)
        if len(body) > most:
            raise TooLarge(most)
        return body


class JsonParser(BytesParser):
    """Strict JSON in UTF-8: no NaN, no halves of pairs."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        body = super().parse(stream, media_type, parser_context)
        try:
            found = orjson.loads(body)
            orjson.dumps(found)  # what nests deeper than this could be read, and written no more
        except orjson.JSONDecodeError as error:
            raise exceptions.ParseError(f"The body is no JSON: {error}. Nothing was changed.") from error
        except orjson.JSONEncodeError as error:
            raise exceptions.ParseError("The body nests too deeply. Nothing was changed.") from error
        return found


class JsonRenderer(BaseRenderer):
    """Compact JSON in UTF-8."""

    media_type = "application/json"
    format = "json"
    charset = None
    render_style = "binary"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        return b"" if data is None else orjson.dumps(data)


class ByAccept(DefaultContentNegotiation):
    """By the header `Accept` alone: `?format=` is a download's own parameter."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        for ranges in order_by_precedence(self.get_accept_list(request)):
            for each in sorted(ranges):
                if media_type_matches(renderer.media_type, each) and not _is_refused(each):
                    return renderer, each
        raise exceptions.NotAcceptable(f"This answers with {renderer.media_type} only, and Accept does not let it.")


def _is_refused(media_range: str) -> bool:
    """Whether it has the weight 0."""
    weight = parse_header_parameters(media_range)[1].get("q", "1")
    return not weight.strip("0.")


class ByVersion(AcceptHeaderVersioning):
    """`Accept: application/json; version=1`; who names no version gets this one.

    In a header and not in the path: a training file has one address, which stays as it was in whatever a client keeps
    of it, in signed URLs, and in answers that are replayed.
    """

    default_version = VERSION
    allowed_versions = (VERSION,)
    version_param = "version"
    invalid_version_message = f"There is only version {VERSION} of this API."
