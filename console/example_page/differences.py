"""What a person changed in an answer, word by word."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from capture_app.shown import visible

SAME: Final = "same"
REMOVED: Final = "removed"
ADDED: Final = "added"

_MOST_CHARACTERS: Final = 2_000_000  # of one side: all of it is shown
_MOST_WORDS: Final = 3000  # of one side; finding the longest matches takes the square of it at worst
_WORD: Final = re.compile(r"\s+|\w+(?:[.,]\w+)*|[^\w\s]")
_LINE: Final = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text."""

    kind: str  # SAME, REMOVED or ADDED
    text: str  # fit to be shown


def word_difference(before: str, after: str) -> list[Piece] | None:
    """How the one becomes the other. None: they are too long to be compared while somebody waits."""
    if max(len(before), len(after)) > _MOST_CHARACTERS:
        return None
    for pattern in (_WORD, _LINE):  # words if they are few, else lines
        old, new = pattern.findall(before), pattern.findall(after)
        if max(len(old), len(new)) <= _MOST_WORDS:
            return _pieces(old, new)
    return None


def _pieces(old: list[str], new: list[str]) -> list[Piece]:
    """What both begin and end with is set aside first: most corrections change little, and that finds them quickly."""
    start, end = _common(old, new)
    middle_old, middle_new = old[start : len(old) - end], new[start : len(new) - end]
    pieces = [(SAME, old[:start])]
    for kind, old_from, old_to, new_from, new_to in SequenceMatcher(None, middle_old, middle_new).get_opcodes():
        if kind == "equal":
            pieces.append((SAME, middle_old[old_from:old_to]))
        else:
            pieces += [(REMOVED, middle_old[old_from:old_to]), (ADDED, middle_new[new_from:new_to])]
    pieces.append((SAME, old[len(old) - end :]))
    return [Piece(kind, visible("".join(words))) for kind, words in pieces if words]


def _common(old: list[str], new: list[str]) -> tuple[int, int]:
    """How many words both begin with, and how many of the rest both end with."""
    shortest = min(len(old), len(new))
    start = next((n for n in range(shortest) if old[n] != new[n]), shortest)
    most = shortest - start
    end = next((n for n in range(most) if old[-1 - n] != new[-1 - n]), most)
    return start, end
