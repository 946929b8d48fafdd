"""What all views of the API have in common. All of it is here, so that no project has to set anything for it.

Not in REST_FRAMEWORK and SPECTACULAR_SETTINGS, because those are the project's, and may say otherwise.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final, TypeVar, cast
from uuid import UUID

import orjson
from django.conf import settings
from django.db.transaction import non_atomic_requests
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from capture_app.judged_values import NAME_CHARACTERS
from training_files import idempotency
from training_files.actors import Actor
from training_files.api import errors
from training_files.api.authentication import ByLogin, ByToken, HasScope
from training_files.api.fields import Asked, Line
from training_files.api.wire import MOST_BYTES, ByAccept, ByVersion, JsonParser, JsonRenderer
from training_files.exceptions import NotFound

KEY_HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotency-Replayed"

_UUID: Final = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MOST_DIGITS: Final = 9  # a database's integers have more

_Handler = TypeVar("_Handler", bound=Callable[..., HttpResponseBase])


class Described(AutoSchema):
    """Describes an operation. A body must be there unless `Asked.may_be_missing` says otherwise, for PATCH, too."""

    def _get_request_body(self, direction: Direction = "request") -> dict[str, Any] | None:
        body: dict[str, Any] | None = AutoSchema._get_request_body(self, direction)
        may_be_missing = getattr(self.get_request_serializer(), "may_be_missing", False)
        return body if body is None or may_be_missing else {**body, "required": True}


class ApiView(APIView):
    """A view of the API. `scopes` says what each method needs; a method that is not named needs nothing."""

    scopes: Mapping[str, str] = {}
    most_bytes = MOST_BYTES  # of a body
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]

    authentication_classes = [ByToken, ByLogin]
    permission_classes = [HasScope]
    parser_classes = [JsonParser]
    renderer_classes = [JsonRenderer]
    throttle_classes: list[Any] = []
    content_negotiation_class = ByAccept
    versioning_class = ByVersion
    metadata_class = None
    schema = Described()

    @classmethod
    def as_view(cls, **options: Any) -> Any:
        """Not in a transaction of the request's, whatever ATOMIC_REQUESTS says: services have their own."""
        view = super().as_view(**options)
        for alias in settings.DATABASES:
            view = non_atomic_requests(using=alias)(view)
        return view

    def get_exception_handler(self) -> Any:
        return errors.answer

    @property
    def default_response_headers(self) -> dict[str, str]:
        return {
            **super().default_response_headers,
            "Vary": "Accept, Authorization, Cookie",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }

    @property
    def actor(self) -> Actor:
        """Who asks. Only where a scope is needed."""
        caller: Any = self.request.auth
        actor: Actor = caller.actor
        return actor

    def asked(self, kind: type[Asked]) -> dict[str, Any]:
        """What the body says. Raises ValidationError."""
        return _validated(kind(data=self.request.data))

    def asked_in_query(self, kind: type[Asked]) -> dict[str, Any]:
        """What the query says. Raises ValidationError."""
        lists = dict(self.request.query_params.lists())
        for name, values in lists.items():
            if len(values) > 1:
                raise serializers.ValidationError({name[:100]: ["May be there once."]})
        return _validated(kind(data={name: value for name, [value] in lists.items()}))


def _validated(serializer: Asked) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    found: dict[str, Any] = serializer.validated_data
    return found


def path_uuid(text: str) -> UUID:
    """Of a path. What is no UUID is no training file's, either: NotFound."""
    if not _UUID.fullmatch(text):
        raise NotFound(f"There is no training file {text[:80]!r}.")
    return UUID(text)


def path_text(text: str) -> str:
    """An id of another kind, which may be any text; but no database is asked for one with a NUL: NotFound."""
    if "\0" in text:
        raise NotFound("There is nothing of this id.")
    return text


def path_number(text: str) -> int:
    """Of a path. NotFound for what is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise NotFound(f"There is nothing of the number {text[:80]!r}.")
    return int(text)


def done_once(handler: _Handler) -> _Handler:
    """For a method that changes something: with an Idempotency-Key it is done once, however often it is sent."""

    @wraps(handler)
    def wrapper(view: ApiView, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        key = request.headers.get(KEY_HEADER)
        if key is None:
            return handler(view, request, *args, **kwargs)
        known = idempotency.claim(view.actor.name, _checked(key), _digest(request))
        if isinstance(known, idempotency.Answer):
            return _replayed(known)
        try:
            response = handler(view, request, *args, **kwargs)
        except BaseException:  # whatever ends it: nothing was changed, so the key is free again
            known.release()
            raise
        known.keep(_answer(response))
        return response

    return cast(_Handler, wrapper)


def _checked(key: str) -> str:
    field = Line(max_length=NAME_CHARACTERS)
    try:
        return str(field.run_validation(key))
    except serializers.ValidationError as error:
        raise serializers.ValidationError({KEY_HEADER: error.detail}) from error


def _digest(request: Request) -> str:
    data: Any = request.data
    body = data if isinstance(data, bytes) else orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
    told = b"\n".join([str(request.method).encode(), request.get_full_path().encode(), body])
    return hashlib.sha256(told).hexdigest()


def _answer(response: HttpResponseBase) -> idempotency.Answer:
    data = response.data if isinstance(response, Response) else None
    return idempotency.Answer(
        status=response.status_code,
        body=orjson.dumps(data).decode(),
        location=response.headers.get("Location", ""),
    )


def _replayed(known: idempotency.Answer) -> HttpResponse:
    headers = {REPLAYED_HEADER: "true", **({"Location": known.location} if known.location else {})}
    return Response(orjson.loads(known.body), status=known.status, headers=headers)
