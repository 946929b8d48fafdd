"""A text made ready for the rules: the same length, so that every offset holds in the original too.

Rules search for a rare anchor (`@`, `://`, a digit) in time proportional to the text, and look around it within a fixed
distance. None has a pattern that starts to match at every character, so a text cannot make them slow.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Final

# Letters of names in addresses, hosts and handles: scripts that part words by spaces. A class of \w would swallow the
# Chinese sentence around an address.
LETTERS: Final = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0370-\u03ff\u0400-\u052f"

_ZEROES: Final = "\uff10\u0660\u06f0\u0966\u09e6"  # fullwidth, Arabic, Persian, Devanagari, Bengali
_SPACES: Final = "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_DASHES: Final = "\u2010\u2011\u2012\u2013\u2212\uff0d"
_FULLWIDTH: Final = "\uff0b\uff0e\uff20" + "".join(map(chr, (*range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))))

_FOLDED: Final = {
    **{chr(ord(zero) + digit): str(digit) for zero in _ZEROES for digit in range(10)},
    **dict.fromkeys(_SPACES, " "),
    **dict.fromkeys(_DASHES, "-"),
    **{wide: chr(ord(wide) - 0xFEE0) for wide in _FULLWIDTH},
}
_FOLDABLE: Final = re.compile(f"[{re.escape(''.join(_FOLDED))}]")
_ESCAPES: Final = (("\\n", "  "), ("\\r", "  "), ("\\t", "  "), ('\\"', '""'))

_NUMBER: Final = re.compile(r"[0-9][0-9 .()/+-]{5,}[0-9]")
_TOKEN_CLASSES: Final = bytes(
    ord("a") if chr(byte).isascii() and (chr(byte).isalnum() or chr(byte) in "-_") else ord(" ") for byte in range(256)
)
_SHORTEST_TOKEN: Final = b"a" * 20
_MOST_AROUND: Final = 48  # characters before a find that can say what it is


class Scan:
    """One text, and what several rules need of it, made when the first asks."""

    def __init__(self, text: str) -> None:
        self.text: Final = _fold(text)

    @cached_property
    def latin(self) -> bytes:
        """The text, a byte per character; what is not Latin-1 is a question mark."""
        return self.text.encode("latin-1", "replace")

    @cached_property
    def low(self) -> bytes:
        """The same with ASCII letters in lower case."""
        return self.latin.lower()

    @cached_property
    def numbers(self) -> list[tuple[int, int]]:
        """Runs of digits, with what may stand between the digits of one number, that hold seven digits or more."""
        runs = (found.span() for found in _NUMBER.finditer(self.text))
        return [(start, end) for start, end in runs if _digits(self.text[start:end]) >= 7]

    @cached_property
    def long_tokens(self) -> list[tuple[int, int]]:
        """Runs of letters, digits, hyphens and underscores that are as long as the shortest keys, or longer."""
        classes, runs = self.latin.translate(_TOKEN_CLASSES), []
        start = classes.find(_SHORTEST_TOKEN)
        while start >= 0:
            end = classes.find(b" ", start)
            end = end if end >= 0 else len(classes)
            runs.append((start, end))
            start = classes.find(_SHORTEST_TOKEN, end)
        return runs

    def before(self, position: int) -> str:
        """What stands before it, as far as it may say what it is; in lower case."""
        return self.text[max(0, position - _MOST_AROUND) : position].lower()

    def positions(self, needle: bytes) -> Iterator[int]:
        """Where `needle`, in lower case, begins."""
        position = self.low.find(needle)
        while position >= 0:
            yield position
            position = self.low.find(needle, position + len(needle))


def _fold(text: str) -> str:
    """`text` with ASCII digits, spaces and hyphens for the others, and blanks for the escapes of quoted text.

    A log, or JSON within a prompt, has a backslash and an "n" where a line ended: without this "n" an address is found
    whole.
    """
    if not text.isascii():
        text = _FOLDABLE.sub(lambda found: _FOLDED[found[0]], text)
    if "\\" in text:
        for escape, plain in _ESCAPES:
            text = text.replace(escape, plain)
    return text


def _digits(text: str) -> int:
    return sum(map(text.count, "0123456789"))
