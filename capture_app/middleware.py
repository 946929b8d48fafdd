"""The context of a request: where a call came from, and for whom. Never what was in it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any, ClassVar

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest
from django.http.response import FileResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.module_loading import import_string

from capture_app.conf import capture_settings
from capture_app.context import capture_context, current_context, resumed_context
from capture_app.log_once import log_once
from capture_app.pseudonyms import pseudonym

logger = logging.getLogger("capture_app")

_END: Any = object()


class CaptureContextMiddleware:
    """Puts `path` (without the query) into the context of each request, and `user_id` when USER_ID names a function.

    Put it below AuthenticationMiddleware. Works under WSGI and ASGI, and while a streaming response is sent.
    """

    sync_capable: ClassVar[bool] = True
    async_capable: ClassVar[bool] = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._is_async:
            return self._answer(request)
        facts = _facts(request)
        with capture_context(**facts):
            return _while_sent(self._get_response(request))

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        # The user may have to be asked for in the database.
        facts = await sync_to_async(_facts)(request) if _user_function() else _facts(request)
        with capture_context(**facts):
            return _while_sent(await self._get_response(request))


def user_pk(request: HttpRequest) -> str | None:
    """For USER_ID: the primary key of a user who is logged in."""
    user = getattr(request, "user", None)
    return str(user.pk) if user is not None and user.is_authenticated else None


def pseudonymous_user(request: HttpRequest) -> str | None:
    """For USER_ID: the pseudonym of a user who is logged in."""
    found = user_pk(request)
    return None if found is None else pseudonym(found)


def _facts(request: HttpRequest) -> dict[str, Any]:
    facts: dict[str, Any] = {"path": request.path}
    dotted_path = _user_function()
    if dotted_path:
        try:
            facts["user_id"] = _user_id(dotted_path, request)
        except Exception as error:  # a page must not fail because its calls cannot be put to a user
            log_once(logger, f"USER_ID {dotted_path} failed; calls are recorded without a user.", error)
    return facts


def _user_function() -> str:
    """The dotted path in USER_ID; "" when there is none. Wrong settings are for `manage.py check`, not for a page."""
    try:
        return capture_settings().user_id
    except Exception as error:  # whatever is wrong in them
        log_once(logger, "TRAINING_CAPTURE cannot be used, and no call is recorded. Run `manage.py check`.", error)
        return ""


def _user_id(dotted_path: str, request: HttpRequest) -> str | None:
    found = import_string(dotted_path)(request)
    if asyncio.iscoroutine(found):
        found.close()
        raise TypeError(f"{dotted_path} must not be awaited")
    return None if found is None else str(found)


def _while_sent(response: HttpResponseBase) -> HttpResponseBase:
    """A streaming response is made while it is sent, when the request is over: in the context as it is now.

    A file is made already.
    """
    if isinstance(response, StreamingHttpResponse) and not isinstance(response, FileResponse):
        content: Any = response.streaming_content
        iterate = _aiterate if response.is_async else _iterate
        response.streaming_content = iterate(content, current_context())
    return response


def _iterate(content: Any, context: Mapping[str, Any]) -> Iterator[bytes]:
    parts = iter(content)
    while True:
        with resumed_context(context):
            part = next(parts, _END)
            context = current_context()  # what the response has entered, and not left yet
        if part is _END:
            return
        yield part


async def _aiterate(content: Any, context: Mapping[str, Any]) -> AsyncIterator[bytes]:
    """In the task that asks: a timeout, or a group of tasks, must be left in the task that entered it."""
    parts = aiter(content)
    while True:
        with resumed_context(context):
            part = await anext(parts, _END)
            context = current_context()
        if part is _END:
            return
        yield part
