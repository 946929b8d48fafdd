"""System checks of CONTINUOUS_TRAINING["MEMORY"]."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.utils.module_loading import import_string

from capture_app.checks import TAG
from continuous_training.conf import SETTING
from continuous_training.memory.embedders.base import Embedder
from continuous_training.memory.settings import EXTRACT, LLM, MEMORY

_MOST: Final = 1_000_000  # what is above it, as infinity is, was not meant


def _is_tasks(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(each, str) and each.strip() for each in value)


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value < _MOST


def _is_count(value: Any) -> bool:
    return type(value) is int and 1 <= value <= _MOST


def _is_score(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and -1 <= value <= 1)


def _is_embedder(value: Any) -> bool:
    if not isinstance(value, Mapping) or not {"BACKEND"} <= set(value) <= {"BACKEND", "OPTIONS"}:
        return False
    try:
        backend = import_string(value["BACKEND"])
    except (ImportError, TypeError, AttributeError):  # the last two: the path is no text
        return False
    return isinstance(backend, type) and issubclass(backend, Embedder) and isinstance(value.get("OPTIONS", {}), Mapping)


# What each key has to be, and in words.
_RIGHT: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "TASKS": (_is_tasks, "a list of the names of tasks; left out, exchanges of all tasks are remembered"),
    "DAYS": (_is_time, "a number of days, above 0"),
    "SUMMARIZER": (lambda value: value in (LLM, EXTRACT), f"{LLM!r} or {EXTRACT!r}"),
    "EMBEDDER": (_is_embedder, "{'BACKEND': the dotted path of a subclass of Embedder, 'OPTIONS': a dict}"),
    "MIN_SCORE": (_is_score, "a cosine, between -1 and 1, or None for the embedder's own"),
    "CANDIDATES": (_is_count, "a whole number, 1 at least"),
    "TOKENS": (_is_count, "a whole number, 1 at least"),
}


@register(TAG)
def check_memory_settings(**kwargs: Any) -> list[CheckMessage]:
    """All that is wrong at once, ids continuous_training.E021 and E022."""
    whole = getattr(settings, SETTING, {})
    raw = whole.get("MEMORY", {}) if isinstance(whole, Mapping) else {}  # the check of the whole setting says so
    place = f"{SETTING}['MEMORY']"
    if not isinstance(raw, Mapping):
        return [Error(f"{place} is no dict.", hint="Leave it out to take the defaults.", id="continuous_training.E021")]
    found: list[CheckMessage] = [
        Error(f"{place} has no key {key!r}.", hint=f"It has {', '.join(MEMORY)}.", id="continuous_training.E021")
        for key in sorted(set(raw) - set(MEMORY), key=str)
    ]
    return found + [
        Error(f"{place}[{key!r}] is {raw[key]!r}.", hint=f"It is {words}.", id="continuous_training.E022")
        for key, (is_right, words) in _RIGHT.items()
        if key in raw and not is_right(raw[key])
    ]
