"""System checks of CONTINUOUS_TRAINING["EXPORT"]."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from capture_app.checks import TAG
from continuous_training.conf import SETTING
from continuous_training.exporting.rules import CUT, LEAVE_OUT, PAIR_RULES, RULES

_GROUPS: Final = ("user_id", "conversation_id")
_LEAST_BYTES: Final = 1_000  # of a file; below it hardly a pair would find a place


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_size(value: Any) -> bool:
    return type(value) is int and value >= 1


def _is_rating(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and abs(value) < float("inf"))


def _are_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(text, str) and text for text in value)


# What each key has to be, and in words.
_RIGHT: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "SYSTEM_MESSAGE": (_is_flag, "True or False"),
    "HISTORY": (_is_flag, "True or False"),
    "REDACT": (_is_flag, "True or False"),
    "MIN_CHARACTERS": (_is_count, "a whole number, 0 or more"),
    "MAX_CHARACTERS": (_is_size, "a whole number, 1 at least"),
    "TOO_LONG": (lambda value: value in (CUT, LEAVE_OUT), f"{CUT!r} or {LEAVE_OUT!r}"),
    "LEAVE_OUT_WITH": (_are_texts, "a list of texts, none of them empty"),
    "MIN_RATING": (_is_rating, "a number, or None to take everything"),
    "CUT_SHORT": (_is_flag, "True or False"),
    "TASKS": (lambda value: isinstance(value, Mapping), "a dict from tasks to their own rules"),
    "GROUP_BY": (lambda value: _are_texts(value) and set(value) <= set(_GROUPS), f"some of {', '.join(_GROUPS)}"),
    "EXCLUDED_TASKS": (_are_texts, "a list of tasks, perhaps with a `*` at the end"),
    "MAX_FILE_BYTES": (lambda value: _is_size(value) and value >= _LEAST_BYTES, f"bytes, {_LEAST_BYTES:,} at least"),
}


@register(TAG)
def check_export_rules(**kwargs: Any) -> list[CheckMessage]:
    """Ids continuous_training.E031: a key that there is not, and E032: a value that is not right."""
    whole = getattr(settings, SETTING, {})
    raw = whole.get("EXPORT", {}) if isinstance(whole, Mapping) else {}
    where = f"{SETTING}['EXPORT']"
    if not isinstance(raw, Mapping):
        return [Error(f"{where} is no dict.", hint="Leave it out to take the defaults.", id="continuous_training.E031")]
    found = list(_problems(raw, where, RULES))
    tasks = raw.get("TASKS", {})
    for task, own in tasks.items() if isinstance(tasks, Mapping) else ():
        place = f"{where}['TASKS'][{task!r}]"
        if isinstance(own, Mapping):
            found += _problems(own, place, PAIR_RULES)
        else:
            found.append(Error(f"{place} is no dict.", hint="It has rules.", id="continuous_training.E031"))
    return found


def _problems(raw: Mapping[str, Any], where: str, known: Mapping[str, Any]) -> Iterator[CheckMessage]:
    for key, value in raw.items():
        if key not in known:
            yield Error(
                f"{where} has no key {key!r}.", hint=f"It has {', '.join(known)}.", id="continuous_training.E031"
            )
        elif not _RIGHT[key][0](value):
            hint = f"It is {_RIGHT[key][1]}."
            yield Error(f"{where}[{key!r}] is {value!r}.", hint=hint, id="continuous_training.E032")
