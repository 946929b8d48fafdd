"""A file that is made while it is sent, in bounded memory on a server of either kind."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.http import content_disposition_header


def streamed(
    request: HttpRequest, blocks: Iterator[bytes], *, filename: str, content_type: str, size: int | None = None
) -> StreamingHttpResponse:
    """To be saved as `filename`. `size`: bytes that `blocks` gives, when that is known. HEAD reads none of them."""
    sent: Any = iter(()) if request.method == "HEAD" else blocks
    if isinstance(request, ASGIRequest):
        sent = _in_threads(sent)  # Django would read the whole file into memory first
    response = StreamingHttpResponse(sent, content_type=content_type)
    if size is not None:
        response.headers["Content-Length"] = str(size)
    response.headers["Content-Disposition"] = content_disposition_header(True, filename)
    return response


async def _in_threads(blocks: Iterator[bytes]) -> AsyncIterator[bytes]:
    following = sync_to_async(lambda: next(blocks, None), thread_sensitive=False)
    while (block := await following()) is not None:
        yield block
