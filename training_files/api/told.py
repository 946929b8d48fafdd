"""What the OpenAPI description says of all operations alike."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from capture_app.judged_values import NAME_CHARACTERS
from training_files.api.answers import Error
from training_files.api.base import KEY_HEADER, REPLAYED_HEADER, Described
from training_files.api.fields import Line

_ERRORS: Final = {
    400: "Something in the request is not as it must be; `details` names the fields and the conversations.",
    401: "No token, or none that is good.",
    403: "Not allowed to this token, or to this person.",
    404: "There is no such thing.",
    406: "`Accept` lets no JSON, or asks for another version of the API.",
    409: "It cannot be done as things are: a name is taken, a training file closed, a key in use.",
    413: "The body is too large.",
    415: "The body is not said to be JSON.",
    422: f"The {KEY_HEADER} came with another request before.",
    500: "What is stored is damaged.",
    503: "The storage does not answer.",
}
_OF_ALL: Final = (401, 403, 406)
_OF_PUBLIC: Final = (403,)
_OF_BODIES: Final = (400, 413, 415)

FILE_ID: Final = OpenApiParameter(
    "file_id",
    {"type": "string", "format": "uuid"},
    OpenApiParameter.PATH,
    required=True,
    description="A training file's.",
)
CONVERSATION_ID: Final = OpenApiParameter("conversation_id", str, OpenApiParameter.PATH, required=True)
NUMBER: Final = OpenApiParameter(
    "number", {"type": "integer", "minimum": 1, "maximum": 999_999_999}, OpenApiParameter.PATH, required=True
)
_KEY: Final = OpenApiParameter(
    KEY_HEADER,
    {"type": "string", "pattern": Line.pattern, "maxLength": NAME_CHARACTERS},
    OpenApiParameter.HEADER,
    description="Any text of the client's own. The same request with the same key is done once.",
)
_REPLAYED: Final = OpenApiParameter(
    REPLAYED_HEADER,
    {"type": "string", "enum": ["true"]},
    OpenApiParameter.HEADER,
    response=[200, 201, 202],
    description="There when this answer was given before.",
)
_CHALLENGE: Final = OpenApiParameter(
    "WWW-Authenticate", {"type": "string"}, OpenApiParameter.HEADER, response=[401], required=True
)
LOCATION: Final = OpenApiParameter(
    "Location", {"type": "string"}, OpenApiParameter.HEADER, response=[201, 202], description="Of what was made."
)


def told(
    name: str,
    answers: Mapping[Any, Any],
    *codes: int,
    parameters: tuple[Any, ...] = (),
    request: Any = None,
    tag: str = "training files",
    is_once: bool = False,
    is_public: bool = False,
    **more: Any,
) -> Callable[[Any], Any]:
    """Describe an operation: what it answers, and with which of the errors beside those that all have.

    The first line of its docstring is the summary.
    """
    of_all = _OF_PUBLIC if is_public else _OF_ALL
    of_bodies = _OF_BODIES if request is not None or is_once else ()
    every = {*codes, *of_all, *of_bodies, *((409, 422) if is_once else ())}
    problems = {code: OpenApiResponse(Error, description=_ERRORS[code]) for code in sorted(every)}
    headers = (*(() if is_public else (_CHALLENGE,)), *((_KEY, _REPLAYED) if is_once else ()))
    describe = partial(
        extend_schema,
        operation_id=name,
        tags=[tag],
        parameters=[*parameters, *headers],
        request=request,
        responses={**answers, **problems},
        **more,
    )

    def decorate(handler: Any) -> Any:
        handler.kwargs = {"schema": Described}  # else extend_schema builds on what REST_FRAMEWORK of the project names
        summary, _, about = inspect.cleandoc(handler.__doc__).partition("\n")
        return describe(summary=summary.removesuffix("."), description=about.strip() or summary)(handler)

    return decorate
