"""System checks of TRAINING_FILES."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage, InvalidStorageError, Storage, storages

from capture_app.checks import TAG
from capture_app.conf import capture_settings
from capture_app.exceptions import CaptureConfigurationError
from training_files.conf import DEFAULTS, FOLDER, SETTING

_MOST_TIME: Final = 1e6  # hours; what is above it, as infinity is, was not meant
_MOST_URL_SECONDS: Final = 604_800  # for which S3 presigns at most
_PUBLIC_ACLS: Final = ("public-read", "public-read-write", "authenticated-read")


def _is_count(value: Any) -> bool:
    return type(value) is int and 1 <= value <= 1_000_000


def _is_age(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value < _MOST_TIME


def _is_url_lifetime(value: Any) -> bool:
    return type(value) is int and 1 <= value <= _MOST_URL_SECONDS


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_folder(value: Any) -> bool:
    return isinstance(value, str) and not value.startswith("/") and not {"..", "."} & set(value.split("/"))


# What each key has to be, and in words.
_RIGHT: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "PREFIX": (_is_folder, "a folder in the storage, such as 'team/files': without a '/' before it, or a '..' in it"),
    "CONVERSATIONS_PER_REQUEST": (_is_count, "a whole number, 1 at least"),
    "VERTICAL": (_is_name, "a text that is not blank"),
    "CONSULTANT_PROFILE": (lambda value: isinstance(value, Mapping), "a dict"),
    "URL_SECONDS": (_is_url_lifetime, f"a whole number of seconds, {_MOST_URL_SECONDS:,} (a week) at most"),
    "ORPHAN_HOURS": (_is_age, "a number of hours, above 0"),
    "ENRICHMENT_TASK": (_is_name, "a text that is not blank"),
}


@register(TAG)
def check_training_files_settings(**kwargs: Any) -> list[CheckMessage]:
    """All that is wrong at once, ids training_files.E001 to E003."""
    raw = getattr(settings, SETTING, {})
    if not isinstance(raw, Mapping):
        return [Error(f"{SETTING} is no dict.", hint="Leave it out to take the defaults.", id="training_files.E001")]
    found: list[CheckMessage] = [
        Error(f"{SETTING} has no key {key!r}.", hint=f"It has {', '.join(DEFAULTS)}.", id="training_files.E001")
        for key in sorted(set(raw) - set(DEFAULTS), key=str)
    ]
    found += [
        Error(f"{SETTING}[{key!r}] is {raw[key]!r}.", hint=f"It is {words}.", id="training_files.E002")
        for key, (is_right, words) in _RIGHT.items()
        if key in raw and not is_right(raw[key])
    ]
    alias = raw.get("STORAGE", "")
    if alias != "" and (not isinstance(alias, str) or alias not in settings.STORAGES):
        found.append(
            Error(
                f"{SETTING}['STORAGE'] is {alias!r}, which STORAGES does not have.",
                hint=f"It has {', '.join(sorted(settings.STORAGES))}. Leave it out for a folder in the data directory.",
                id="training_files.E003",
            )
        )
    return found


@register(TAG)
def check_nothing_is_public(**kwargs: Any) -> list[CheckMessage]:
    """Ids training_files.W001: a web server gives the files to everybody, and W002: a bucket does."""
    raw = getattr(settings, SETTING, {})
    if not isinstance(raw, Mapping):
        return []
    alias = raw.get("STORAGE", "")
    if not alias:
        try:
            return _served(capture_settings().data_dir / FOLDER)
        except (CaptureConfigurationError, TypeError):  # the check of TRAINING_CAPTURE says so
            return []
    try:
        storage = storages[alias]
    except (InvalidStorageError, ImproperlyConfigured, TypeError):  # the other check says so, or whoever opens it
        return []
    if isinstance(storage, FileSystemStorage):
        return _served(Path(storage.location) / str(raw.get("PREFIX", "")))
    return _given_away(storage, alias)


def _served(folder: Path) -> list[CheckMessage]:
    for name in ("MEDIA_ROOT", "STATIC_ROOT"):
        root = getattr(settings, name, None)
        if root and folder.resolve().is_relative_to(Path(root).resolve()):
            return [
                CheckWarning(
                    f"Training files are kept in {folder}, below {name}, which web servers give to everybody.",
                    hint="They hold what people said. Keep them elsewhere: they are downloaded by signed URLs.",
                    id="training_files.W001",
                )
            ]
    return []


def _given_away(storage: Storage, alias: str) -> list[CheckMessage]:
    """By what django-storages names its options for S3; other storages have none of them."""
    acl, is_signed = getattr(storage, "default_acl", None), getattr(storage, "querystring_auth", True)
    if acl not in _PUBLIC_ACLS and is_signed:
        return []
    why = f"default_acl is {acl!r}" if acl in _PUBLIC_ACLS else "querystring_auth is off"
    return [
        CheckWarning(
            f"The storage {alias!r}, where training files are kept, gives what it has to everybody: {why}.",
            hint="They hold what people said. Name a private bucket, with default_acl None and querystring_auth True.",
            id="training_files.W002",
        )
    ]
