"""Whatever goes wrong, in one shape: `error` says it to people, as in the seed, and `details` to programs."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, UnreadablePostError
from rest_framework import exceptions
from rest_framework.response import Response

from training_archive.shipping.exceptions import NotInStorage, ShippingError, StorageUnreachable
from training_files.exceptions import (
    ChangedMeanwhile,
    DownloadRefused,
    FileClosed,
    InvalidConversation,
    InvalidRequest,
    NameTaken,
    NotFound,
    NotOwner,
    PartDamaged,
    SweptAway,
    TrainingFilesError,
)
from training_files.idempotency import KeyInUse, KeyReused

logger = logging.getLogger(__name__)

SECONDS_TO_WAIT: Final = 1  # before the same is asked again, where that will help

_MOST_FIELDS: Final = 100  # that are told of one request, which may have named 100,000 conversations


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An answer that is no success."""

    status: int
    code: str  # stays the same while messages may change
    message: str
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)  # what is wrong with each; "": with the whole
    conversation_ids: Sequence[str] = ()  # those that are why
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        details = {"code": self.code, "fields": self.fields, "conversation_ids": list(self.conversation_ids)}
        return Response({"error": self.message, "details": details}, status=self.status, headers=dict(self.headers))


# The first that fits. What fits none is a fault of ours, and Django's to report.
_STATUSES: Final[tuple[tuple[type[Exception], int, str], ...]] = (
    (NotFound, 404, "not_found"),
    (NotOwner, 403, "not_owner"),
    (NameTaken, 409, "name_taken"),
    (FileClosed, 409, "file_closed"),
    (DownloadRefused, 403, "link_refused"),
    (KeyReused, 422, "key_reused"),
    (KeyInUse, 409, "in_progress"),
    (ChangedMeanwhile, 409, "changed_meanwhile"),
    (PartDamaged, 500, "damaged"),
    (NotInStorage, 500, "damaged"),
    (ShippingError, 503, "storage_unavailable"),
    (TrainingFilesError, 409, "conflict"),
    (RequestDataTooBig, 413, "too_large"),
    (SuspiciousOperation, 400, "invalid"),
    (UnreadablePostError, 400, "broken_off"),
    (Http404, 404, "not_found"),
    (PermissionDenied, 403, "permission_denied"),
)
_PASSES: Final = (KeyInUse, ChangedMeanwhile, SweptAway, StorageUnreachable)
_OUR_FAULTS: Final = (PartDamaged, ShippingError)


def answer(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """For `get_exception_handler` of a view; None when the error is none that is foreseen."""
    problem = _problem(error)
    if isinstance(error, _OUR_FAULTS):
        logger.error("%s", error)
    return problem.response() if problem else None


def _problem(error: Exception) -> Problem | None:
    if isinstance(error, exceptions.APIException):
        return _of_framework(error)
    if isinstance(error, InvalidRequest):
        fields = {error.field: [str(error)]} if error.field else {}
        ids = error.conversation_ids
        return Problem(status=400, code="invalid", message=str(error), fields=fields, conversation_ids=ids)
    if isinstance(error, InvalidConversation):
        fields = {"conversation": error.faults}
        return Problem(status=400, code="invalid_conversation", message=str(error), fields=fields)
    for kind, status, code in _STATUSES:
        if isinstance(error, kind):
            headers = {"Retry-After": str(SECONDS_TO_WAIT)} if isinstance(error, _PASSES) else {}
            return Problem(status=status, code=code, message=str(error) or "There is nothing here.", headers=headers)
    return None


def _of_framework(error: exceptions.APIException) -> Problem:
    challenge = getattr(error, "auth_header", "")
    found = _flat(error.detail) if isinstance(error, exceptions.ValidationError) else ()
    fields = dict(islice(found, _MOST_FIELDS))
    return Problem(
        status=error.status_code,
        code=error.default_code,
        message=_summary(fields) if fields else str(error.detail),
        fields=fields,
        headers={"WWW-Authenticate": challenge} if challenge else {},
    )


def _summary(fields: Mapping[str, Sequence[str]]) -> str:
    said = [f"{name}: {' '.join(problems)}" if name else " ".join(problems) for name, problems in fields.items()]
    return f"The request is not as it must be. {'; '.join(said)} Nothing was changed."


def _flat(detail: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """The problems by their field, which is a path such as "conversation_ids.2"."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _flat(inner, path if name == "" else f"{path}.{name}" if path else str(name))
    elif all(isinstance(each, str) for each in detail):
        yield path, [str(each) for each in detail]
    else:
        for number, inner in enumerate(detail):
            yield from _flat(inner, f"{path}.{number}" if path else str(number))
