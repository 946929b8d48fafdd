"""Replaces what the engine finds by placeholders: within one Redactor the same value always has the same one."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import orjson

from continuous_training.redaction.spans import PLACEHOLDER, Redacted, Span

if TYPE_CHECKING:
    from continuous_training.redaction.engine import Engine  # its rules take a while to compile; see services.py

_JSON_STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"')
_IS_KEY: Final = re.compile(r"[ \t\r\n]*:")
_KEPT_PREFIX: Final = "blob:sha256:"  # an image of this conversation; see capture_app.blobs

# A text, and the key that it is under ("" for none) -> the text that takes its place.
Change = Callable[[str, str], str]


class Redactor:
    """Redacts the texts of one example. `counts` says how many stretches of each kind were replaced in all of them."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine
        self._placeholders: dict[tuple[str, str], str] = {}  # by kind and value
        self._numbers: Counter[str] = Counter()  # the last one given, by kind
        self.counts: Counter[str] = Counter()

    def reserve(self, text: str) -> None:
        """Never give a placeholder again that stands in `text`: it is another value's."""
        if "[" in text:
            for found in PLACEHOLDER.finditer(text):
                self._numbers[found[1]] = max(self._numbers[found[1]], int(found[2]))

    def redact(self, text: str, label: str = "") -> Redacted:
        """`text` redacted. `label` is the key that it stands under: "phone" says what ten digits are."""
        self.reserve(text)
        parts: list[str] = []
        spans, reached = [], 0
        for found in self._engine.find(text, label):
            placeholder = self._placeholder(found.kind, found.value)
            spans.append(Span(found.start, found.end, found.kind, placeholder))
            parts += text[reached : found.start], placeholder
            reached = found.end
        self.counts.update(span.kind for span in spans)
        return Redacted("".join((*parts, text[reached:])) if parts else text, tuple(spans))

    def redact_value(self, value: Any, label: str = "") -> Any:
        """`value`, plain JSON, with its texts redacted; keys and numbers stay, and a text that is JSON stays JSON."""
        return changed(value, lambda text, key: self.redact(text, key).text, label)

    def reserve_value(self, value: Any) -> None:
        """As `reserve`, of all texts within `value`."""
        changed(value, self._reserved)

    def _reserved(self, text: str, label: str) -> str:
        self.reserve(text)
        return text

    def _placeholder(self, kind: str, value: str) -> str:
        known = self._placeholders.get((kind, value))
        if known is None:
            self._numbers[kind] += 1
            known = self._placeholders[kind, value] = f"[{kind}_{self._numbers[kind]}]"
        return known


def changed(value: Any, change: Change, label: str = "") -> Any:
    """Plain JSON with all texts changed but keys, also within texts that are JSON objects and arrays."""
    if isinstance(value, str):
        return _changed_text(value, change, label)
    if isinstance(value, Mapping):
        return {key: changed(item, change, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [changed(item, change, label) for item in value]
    return value


def _changed_text(text: str, change: Change, label: str) -> str:
    if text.startswith(_KEPT_PREFIX):
        return text
    return _changed_json(text, change) if _is_json(text) else change(text, label)


def _is_json(text: str) -> bool:
    """Whether it is a JSON object or array, with which another program goes on."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        return isinstance(orjson.loads(text), dict | list)
    except orjson.JSONDecodeError:
        return False


def _changed_json(text: str, change: Change) -> str:
    """The same text but for its strings that `change` changes: numbers, order and white space stay as they are."""
    parts: list[str] = []
    reached, label = 0, ""
    for found in _JSON_STRING.finditer(text):
        string = orjson.loads(found[0])
        if _IS_KEY.match(text, found.end()):
            label = string
            continue
        new = _changed_text(string, change, label)
        if new != string:
            parts += text[reached : found.start()], orjson.dumps(new).decode()
            reached = found.end()
    return "".join((*parts, text[reached:])) if parts else text
