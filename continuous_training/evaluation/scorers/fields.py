"""`slot_specs`: how each field of an answer is compared with the field that is expected.

    {"price": {"type": "numeric_tol", "tolerance": 0.01}, "sizes": "set_match", "note": {"type": "llm_similarity"}}

| type | options | 1 when |
|---|---|---|
| exact | | both are equal; of texts, blanks around them do not count |
| substring | | the expected text is in the answered one, whatever its case |
| numeric_tol | tolerance (0), relative (0) | they differ by `tolerance`, or `relative` times the first, at most |
| set_match | | the lists have the same members; else twice what they share, over what both have |
| date_norm | day_first (false) | both name the same day, however it is written |
| llm_similarity | threshold (0.8) | a model finds them as similar as that, or more |

A field that is expected to be absent or null, and is, counts 1; if only one of both has it, 0.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from capture_app.judged_values import finite_number
from capture_app.messages import to_json_text
from continuous_training.evaluation.judging import similarity
from continuous_training.evaluation.scorers.base import Score

LLM_SIMILARITY: Final = "llm_similarity"

_THRESHOLD: Final = 0.8
_LONGEST: Final = 200  # characters of a date or a number; no longer text is one
_GROUPS: Final = r"\d{1,3}(?:[ '\u2019\u00a0\u202f]\d{3})+(?:[.,]\d+)?"
_NUMBER: Final = re.compile(rf"[+-]?(?:{_GROUPS}|\d[\d.,]*\d|\d)(?:e[+-]?\d{{1,3}})?", re.IGNORECASE | re.ASCII)
_ORDINAL: Final = re.compile(r"(?<=\d)(?:st|nd|rd|th)\b", re.IGNORECASE)
_MONTH_FIRST: Final = ("%m/%d/%Y", "%m-%d-%Y", "%m.%d.%Y")
_DAY_FIRST: Final = ("%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y")
_PLAIN_DATES: Final = ("%Y/%m/%d", "%Y.%m.%d", "%d %B %Y", "%d %b %Y", "%B %d %Y", "%b %d %Y", "%d-%b-%Y")

Options = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """How one field is compared."""

    kind: str
    options: Options = field(default_factory=dict)


def compare_field(spec: FieldSpec, expected: Any, answered: Any) -> Score:
    """How well the answered value meets the expected one; None is a field that is not there."""
    if expected is None or answered is None:
        return Score(float(expected is answered))
    return _KINDS[spec.kind].compare(expected, answered, spec.options)


def parse_specs(specs: Mapping[str, Any]) -> dict[str, FieldSpec]:
    """By field. Raises ValueError with the first fault."""
    for fault in faults_in_specs(specs):
        raise ValueError(fault)
    return {name: _parsed(spec) for name, spec in specs.items()}


def faults_in_specs(specs: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with them, field by field."""
    for name, spec in specs.items():
        yield from (f"{name[:100]!r}: {fault}" for fault in _faults(spec))


def _parsed(spec: Any) -> FieldSpec:
    if isinstance(spec, str):
        return FieldSpec(spec)
    return FieldSpec(spec["type"], {key: value for key, value in spec.items() if key != "type"})


def _faults(spec: Any) -> Iterator[str]:
    kind = spec.get("type") if isinstance(spec, Mapping) else spec
    if not isinstance(kind, str) or kind not in _KINDS:
        yield f'the type is one of {", ".join(_KINDS)}, given by itself or as an object\'s "type"'
        return
    known = _KINDS[kind].options
    for key, value in spec.items() if isinstance(spec, Mapping) else ():
        if key != "type" and key not in known:
            yield f"{kind} has no option {str(key)[:100]!r}"
        elif key != "type" and not known[key](value):
            yield f"{key} has a value that {kind} knows nothing to do with"


# --- The types -------------------------------------------------------------------------------------------------------


def _exact(expected: Any, answered: Any, options: Options) -> Score:
    return Score(float(_plain(expected) == _plain(answered)))


def _substring(expected: Any, answered: Any, options: Options) -> Score:
    wanted, text = _folded(expected), _folded(answered)
    return Score(float(wanted in text if wanted else not text))


def _numeric_tol(expected: Any, answered: Any, options: Options) -> Score:
    wanted, found = _number(expected), _number(answered)
    if wanted is None or found is None:
        return Score(float(wanted is found and _plain(expected) == _plain(answered)))
    allowed = max(options.get("tolerance", 0), options.get("relative", 0) * abs(wanted))
    return Score(float(abs(wanted - found) <= allowed + 1e-9 * abs(wanted)))  # 0.1 + 0.2 is 0.3


def _set_match(expected: Any, answered: Any, options: Options) -> Score:
    wanted, found = _members(expected), _members(answered)
    if not wanted and not found:
        return Score(1.0)
    return Score(2 * len(wanted & found) / (len(wanted) + len(found)))


def _date_norm(expected: Any, answered: Any, options: Options) -> Score:
    day_first = bool(options.get("day_first"))
    wanted, found = _date(expected, day_first=day_first), _date(answered, day_first=day_first)
    if wanted is None:
        return _exact(expected, answered, options)
    return Score(float(wanted == found))


def _llm_similarity(expected: Any, answered: Any, options: Options) -> Score:
    wanted, text = _text(expected), _text(answered)
    if _folded(wanted) == _folded(text):
        return Score(1.0)
    found = similarity(wanted, text)
    if found.value is None:
        return Score(0.0, "the judge gave no figure", found.cost_usd)
    is_met = found.value >= options.get("threshold", _THRESHOLD)
    return Score(float(is_met), f"similarity {found.value:.2f}", found.cost_usd)


@dataclass(frozen=True, slots=True)
class _Kind:
    compare: Callable[[Any, Any, Options], Score]
    options: Mapping[str, Callable[[Any], bool]] = field(default_factory=dict)  # name -> whether a value is right


def _is_amount(value: Any) -> bool:
    number = finite_number(value)
    return number is not None and number >= 0


def _is_share(value: Any) -> bool:
    return _is_amount(value) and value <= 1


_KINDS: Final[Mapping[str, _Kind]] = {
    "exact": _Kind(_exact),
    "substring": _Kind(_substring),
    "numeric_tol": _Kind(_numeric_tol, {"tolerance": _is_amount, "relative": _is_amount}),
    "set_match": _Kind(_set_match),
    "date_norm": _Kind(_date_norm, {"day_first": lambda value: isinstance(value, bool)}),
    LLM_SIMILARITY: _Kind(_llm_similarity, {"threshold": _is_share}),
}


# --- Values, as they are compared ------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    """JSON's own equality, but for how a character is written; true is not 1."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value).strip()
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else to_json_text(value)


def _folded(value: Any) -> str:
    return " ".join(unicodedata.normalize("NFKC", _text(value)).casefold().split())


def _members(value: Any) -> set[str]:
    """Of a list; what is no list is its only member. 5 and 5.0 are the same."""
    members = value if isinstance(value, list) else [value]
    numbers = {id(each): finite_number(each) for each in members}
    return {_folded(each) if (number := numbers[id(each)]) is None else f"{number:g}" for each in members}


def _number(value: Any) -> float | None:
    """The one number in the value: `1,234.50 €`, `1.234,50`, `12 %`. Of several, nobody can say which is meant."""
    if not isinstance(value, str):
        return finite_number(value)
    found = _NUMBER.findall(value) if len(value) <= _LONGEST else []
    return finite_number(_to_float(found[0])) if len(found) == 1 else None


def _to_float(text: str) -> float | None:
    digits = re.sub(r"[ '\u2019\u00a0\u202f]", "", text)
    decimal = max(digits.rfind("."), digits.rfind(","))
    mark = digits[decimal] if decimal >= 0 else ""
    if mark and not _is_decimal(digits, mark, decimal):
        mark = ""
    whole = digits if not mark else digits[:decimal]
    rest = f".{digits[decimal + 1 :]}" if mark else ""
    try:
        return float(re.sub("[.,]", "", whole) + rest)
    except ValueError:
        return None


def _is_decimal(digits: str, mark: str, place: int) -> bool:
    """Whether the last point or comma is where the fraction begins: 1.234,5 and 1,5 but not 1,234 or 1.234.567."""
    if digits.count(mark) > 1:
        return False
    other = "," if mark == "." else "."
    behind = re.sub("e.*", "", digits[place + 1 :], flags=re.IGNORECASE)
    return mark == "." or other in digits or len(behind) != 3


def _date(value: Any, *, day_first: bool) -> date | None:
    """The day that a text names, if it names one with day, month and year."""
    text = value.strip() if isinstance(value, str) and len(value) <= _LONGEST else ""
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        pass
    plain = " ".join(_ORDINAL.sub("", text).replace(",", " ").split())
    for form in (*_PLAIN_DATES, *(_DAY_FIRST if day_first else _MONTH_FIRST)):
        try:
            return datetime.strptime(plain, form).date()
        except ValueError:
            continue
    return None
