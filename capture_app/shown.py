"""Text from a model, made fit to be shown: as text, no more of it than a page can bear, nothing in it unseen.

Templates escape it. What an escaped text can still do is deceive the eye: characters that turn the order of reading
about, or that nobody sees, are written as ⟦U+202E⟧ instead.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

TEXT_CHARACTERS: Final = 200_000  # of one text, unless all is asked for
PAGE_CHARACTERS: Final = 1_000_000  # of all texts of a page together
_NAME_CHARACTERS: Final = 500
_PARSED_CHARACTERS: Final = 32_000_000  # a longer text is not looked at as JSON
_TOO_DEEP: Final = "(nested too deep to be shown here; it is stored whole)"
_INDENTED: Final = 10  # JSON that grows by more than this when it is indented is shown as it came

# Controls but tab and line feed; marks that are invisible or turn the direction about; halves of characters; tags.
# Joiners and variation selectors stay: Persian, Hindi and emoji are made with them.
_UNSEEN: Final = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)


def visible(text: str) -> str:
    """`text` with line ends as \\n and every unseen character written out."""
    return _UNSEEN.sub(lambda found: f"⟦U+{ord(found[0]):04X}⟧", text.replace("\r\n", "\n"))


def short(text: str) -> str:
    """A name or an id, for a heading or a cell."""
    return visible(text if len(text) <= _NAME_CHARACTERS else text[:_NAME_CHARACTERS] + "…")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text on a page."""

    shown: str
    characters: int  # of the whole text
    is_cut: bool = False
    is_json: bool = False
    raw: str = ""  # as it came, where `shown` is JSON that was indented

    @property
    def length(self) -> str:
        return f"{self.characters:,}"


@dataclass(slots=True)
class Budget:
    """How much text one page shows. It is used up by whoever comes first."""

    is_whole: bool = False  # somebody asked for all of it
    left: int = PAGE_CHARACTERS
    has_cut: bool = False

    def text(self, value: str) -> Text:
        """The text, cut to what is left."""
        part = self._take(value)
        return Text(shown=visible(part), characters=len(value), is_cut=len(part) < len(value))

    def json_text(self, value: str) -> Text:
        """As `text`; a JSON object or list is indented. What it was stays beside it when more than blanks changed."""
        known = parsed(value) if value.lstrip().startswith(("{", "[")) else None
        pretty = _pretty(known, _INDENTED * len(value) + 1000) if isinstance(known, dict | list) else None
        if pretty is None:
            return self.text(value)
        shown = self.text(pretty)
        raw = "" if _is_only_indented(value, known) else visible(self._take(value))
        return Text(shown=shown.shown, characters=len(value), is_cut=shown.is_cut, is_json=True, raw=raw)

    def json_value(self, value: Any) -> Text:
        """Any value that came out of JSON, indented."""
        shown = self.text(_pretty(value, PAGE_CHARACTERS * _INDENTED) or _TOO_DEEP)
        return Text(shown=shown.shown, characters=shown.characters, is_cut=shown.is_cut, is_json=True)

    def _take(self, value: str) -> str:
        limit = len(value) if self.is_whole else max(0, min(TEXT_CHARACTERS, self.left))
        self.left -= min(limit, len(value))
        self.has_cut = self.has_cut or limit < len(value)
        return value[:limit]


def parsed(text: str | None) -> Any:
    """What JSON text means; None for what is no JSON, or nests deeper than anybody should follow."""
    if not text or len(text) > _PARSED_CHARACTERS:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _is_only_indented(text: str, value: Any) -> bool:
    """Whether the text is how JSON is usually written; else it may hold a key twice, or a number in another form."""
    usual = (json.dumps(value, ensure_ascii=False, separators=separators) for separators in ((",", ":"), None))
    return text.strip() in usual


def _pretty(value: Any, limit: int) -> str | None:
    """Indented JSON; None when it would have more than `limit` characters, as deep lists of nothing do."""
    pieces: list[str] = []
    total = 0
    try:
        for piece in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(value):
            pieces.append(piece)
            total += len(piece)
            if total > limit:
                return None
    except RecursionError:
        return None
    return "".join(pieces)
