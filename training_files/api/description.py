"""The OpenAPI description of the API: made from the views once in a process, the same for everybody."""

from collections.abc import Iterable
from functools import lru_cache
from threading import Lock
from typing import Any, Final

from django.urls import get_script_prefix
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings

from training_files.api import schemes  # noqa: F401  (importing registers them)
from training_files.api.base import ApiView
from training_files.api.wire import VERSION

_ABOUT: Final = """\
Conversations become curated, versioned training files, as full JSON (brightrun-lora-v4) and as JSON Lines.

Everybody who may read sees all training files; who may write makes their own, and changes those. A list has a `next`
link as long as it goes on. Whatever goes wrong is answered as `{"error": "...", "details": {...}}`, and nothing was
changed. A POST with an `Idempotency-Key` may be sent again: it is done once. This is version 1; a client that wants to
be sure says so: `Accept: application/json; version=1`."""

_lock = Lock()


def ours(endpoints: Iterable[Any]) -> list[Any]:
    """The endpoints of this API, of all that the project has."""
    return [each for each in endpoints if issubclass(each[-1].cls, ApiView)]


# Patched while the description is made: SPECTACULAR_SETTINGS is the project's own.
_SETTINGS: Final[dict[str, Any]] = {
    "TITLE": "Training files",
    "VERSION": None,  # that of the API is shown
    "DESCRIPTION": _ABOUT,
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "",
    "SCHEMA_PATH_PREFIX_TRIM": False,
    "SCHEMA_PATH_PREFIX_INSERT": "",
    "PREPROCESSING_HOOKS": ["training_files.api.description.ours"],
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums"],
    "COMPONENT_SPLIT_REQUEST": False,
    "COMPONENT_SPLIT_PATCH": True,
    "SORT_OPERATIONS": False,
    "SORT_OPERATION_PARAMETERS": False,
    "ENUM_NAME_OVERRIDES": {},
    "SERVERS": [],
    "TAGS": [],
    "SECURITY": [],
    "AUTHENTICATION_WHITELIST": None,
    "PARSER_WHITELIST": None,
    "RENDERER_WHITELIST": None,
    "CAMELIZE_NAMES": False,
}


def openapi() -> dict[str, Any]:
    """As OpenAPI 3.1, for where the site is mounted now."""
    return {**_generated(), "servers": [{"url": get_script_prefix().rstrip("/") or "/"}]}


def _generated() -> dict[str, Any]:
    with _lock:  # the settings that are patched are those of the whole process
        return _made()


@lru_cache(maxsize=1)
def _made() -> dict[str, Any]:
    with patched_settings(_SETTINGS):
        found: dict[str, Any] = SchemaGenerator(api_version=VERSION).get_schema(request=None, public=True)
    return found
