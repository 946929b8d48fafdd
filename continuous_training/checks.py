"""System checks of CONTINUOUS_TRAINING."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from capture_app.checks import TAG
from continuous_training.conf import DEFAULTS, SETTING

_MOST_DAYS: Final = 1e5  # what is above it, as infinity is, was not meant


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_names(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(map(_is_name, value))


def _is_days(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < _MOST_DAYS


def _is_models(value: Any) -> bool:
    return isinstance(value, Mapping) and all(_is_name(task) and _is_name(model) for task, model in value.items())


def _is_count(value: Any) -> bool:
    return type(value) is int and 1 <= value <= 1000


def _is_scorers(value: Any) -> bool:
    return isinstance(value, Mapping) and all(_is_name(name) and _is_name(path) for name, path in value.items())


def _is_files(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        _is_name(task) and (_is_name(path) or isinstance(path, Path)) for task, path in value.items()
    )


def _is_backends(value: Any) -> bool:
    return isinstance(value, Mapping) and all(_is_name(name) and _is_backend(each) for name, each in value.items())


def _is_backend(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and _is_name(value.get("BACKEND"))
        and isinstance(value.get("OPTIONS", {}), Mapping)
        and set(value) <= {"BACKEND", "OPTIONS"}
    )


# What each key has to be, and in words.
_RIGHT: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "EXPORTS_FOLDER": (_is_name, "a folder, in the data directory unless it is absolute"),
    "MODELS_FOLDER": (_is_name, "a folder, in the data directory unless it is absolute"),
    "RUNS_FOLDER": (_is_name, "a folder, in the data directory unless it is absolute"),
    "REPORTS_FOLDER": (_is_name, "a folder, in the data directory unless it is absolute"),
    "KEEP_ROUTED_DAYS": (_is_days, "a number of days, 0 or more"),
    "INCUMBENTS": (_is_models, "a dict from tasks to the names of models, as PRICES has them"),
    "TRAINERS": (_is_backends, "a dict from names to {'BACKEND': 'dotted.path', 'OPTIONS': {...}}"),
    "DEFAULT_TRAINER": (_is_name, "a key of TRAINERS"),
    "DEFAULT_BASE_MODEL": (_is_name, "the name of a model, or the path of its folder"),
    "TRAIN_TASKS": (_is_names, "a list of the names of tasks"),
    "EVALUATIONS_FOLDER": (_is_name, "a folder, in the data directory unless it is absolute"),
    "EVALUATION_CONCURRENCY": (_is_count, "a whole number, 1 at least"),
    "SCORERS": (_is_scorers, "a dict from names to dotted paths of classes"),
    "GOLD_SETS": (_is_files, "a dict from tasks to the paths of their gold files"),
}


@register(TAG)
def check_continuous_training_settings(**kwargs: Any) -> list[CheckMessage]:
    """All that is wrong at once, ids continuous_training.E001 to E003."""
    raw = getattr(settings, SETTING, {})
    if not isinstance(raw, Mapping):
        hint = "Leave it out to take the defaults."
        return [Error(f"{SETTING} is no dict.", hint=hint, id="continuous_training.E001")]
    found: list[CheckMessage] = [
        Error(f"{SETTING} has no key {key!r}.", hint=f"It has {', '.join(DEFAULTS)}.", id="continuous_training.E001")
        for key in sorted(set(raw) - set(DEFAULTS), key=str)
    ]
    wrong = [key for key, (is_right, _) in _RIGHT.items() if key in raw and not is_right(raw[key])]
    found += [
        Error(f"{SETTING}[{key!r}] is {raw[key]!r}.", hint=f"It is {_RIGHT[key][1]}.", id="continuous_training.E002")
        for key in wrong
    ]
    return found if wrong else found + _check_trainers({**DEFAULTS, **raw})


def _check_trainers(values: Mapping[str, Any]) -> list[CheckMessage]:
    trainers, default = values["TRAINERS"], values["DEFAULT_TRAINER"]
    problems = [
        (f"{SETTING}['TRAINERS'][{name!r}]['BACKEND'] is {each['BACKEND']!r}: {problem}.", "Name a Trainer's class.")
        for name, each in trainers.items()
        if (problem := _problem_of_backend(each["BACKEND"]))
    ]
    if default not in trainers:
        hint = f"TRAINERS has {', '.join(sorted(trainers)) or 'none'}."
        problems.append((f"{SETTING}['DEFAULT_TRAINER'] is {default!r}, which TRAINERS does not have.", hint))
    return [Error(text, hint=hint, id="continuous_training.E003") for text, hint in problems]


def _problem_of_backend(path: str) -> str:
    """Without importing it: trainers bring large libraries, and every command begins with these checks."""
    module, _, name = path.rpartition(".")
    try:
        is_there = bool(module and name) and find_spec(module) is not None
    except (ImportError, ValueError):  # of a package around it, or of a path that is none
        is_there = False
    return "" if is_there else "there is no such module"
