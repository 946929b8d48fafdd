"""System checks of CONTINUOUS_TRAINING["REDACTION"]."""

import re
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.utils.module_loading import import_string

from capture_app.checks import TAG
from continuous_training.conf import SETTING
from continuous_training.redaction.kinds import KINDS, PHONE
from continuous_training.redaction.settings import KEY, REDACTION

_PLACE: Final = f"{SETTING}[{KEY!r}]"


def _problem_of_texts(value: Any) -> str:
    is_right = isinstance(value, list | tuple) and all(isinstance(each, str) and each for each in value)
    return "" if is_right else "is no list of texts"


def _problem_of_rules(value: Any) -> str:
    unknown = [] if _problem_of_texts(value) else sorted(set(value) - set(KINDS))
    return _problem_of_texts(value) or (f"names {', '.join(map(repr, unknown))}, no rule" if unknown else "")


def _problem_of_patterns(value: Any) -> str:
    return _problem_of_texts(value) or next(filter(None, map(_problem_of_pattern, value)), "")


def _problem_of_pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        return f"has {pattern!r}, no regular expression ({error})"
    return ""


def _problem_of_regions(value: Any) -> str:
    if problem := _problem_of_texts(value):
        return problem
    if not find_spec("phonenumbers"):
        return ""  # said by the check of RULES
    from phonenumbers import SUPPORTED_REGIONS  # optional, and most projects never set REGIONS

    unknown = sorted(set(value) - SUPPORTED_REGIONS)
    return f"names {', '.join(map(repr, unknown))}, no region of ISO 3166" if unknown else ""


def _problem_of_function(value: Any) -> str:
    if value == "":
        return ""
    try:
        return "" if callable(import_string(value)) else f"is {value!r}, which is no function"
    except (ImportError, AttributeError) as error:  # the latter: the path is no text
        return f"is {value!r}, which cannot be imported ({error})"


# What is wrong with a key's value ("" when nothing is), and what it has to be in words.
_RIGHT: Final[Mapping[str, tuple[Callable[[Any], str], str]]] = {
    "RULES": (_problem_of_rules, f"a list of {', '.join(KINDS)}"),
    "ALLOW": (_problem_of_texts, "a list of values, each exactly as it stands in texts"),
    "ALLOW_PATTERNS": (_problem_of_patterns, "a list of regular expressions"),
    "REGIONS": (_problem_of_regions, "a list of countries by two capital letters: 'US', 'GB'"),
    "NER": (_problem_of_function, "the dotted path of a function from a text to (start, end, kind), or ''"),
}


@register(TAG)
def check_redaction_settings(**kwargs: Any) -> list[CheckMessage]:
    """All that is wrong at once, ids continuous_training.E031 to E033."""
    whole = getattr(settings, SETTING, {})
    raw = whole.get(KEY, {}) if isinstance(whole, Mapping) else {}  # the check of the whole setting says so
    if not isinstance(raw, Mapping):
        return [
            Error(f"{_PLACE} is no dict.", hint="Leave it out to take the defaults.", id="continuous_training.E031")
        ]
    found: list[CheckMessage] = [
        Error(f"{_PLACE} has no key {key!r}.", hint=f"It has {', '.join(REDACTION)}.", id="continuous_training.E031")
        for key in sorted(set(raw) - set(REDACTION), key=str)
    ]
    found += [
        Error(f"{_PLACE}[{key!r}] {problem}.", hint=f"It is {words}.", id="continuous_training.E032")
        for key, (problem_of, words) in _RIGHT.items()
        if key in raw and (problem := problem_of(raw[key]))
    ]
    return found + _check_phones({**REDACTION, **raw}["RULES"])


def _check_phones(rules: Any) -> list[CheckMessage]:
    if not isinstance(rules, list | tuple) or PHONE not in rules or find_spec("phonenumbers"):
        return []
    hint = "pip install 'gleaner[continuous-training]', or leave PHONE out of RULES."
    return [Error(f"{_PLACE}: the rule PHONE needs phonenumberslite.", hint=hint, id="continuous_training.E033")]
