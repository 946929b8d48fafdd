"""JSON from strangers, a piece at a time: never more in memory than one piece may have, however large the file is.

A streaming parser would do, were it strict: ijson's C parsers take an unpaired surrogate for a question mark, and none
says that a name came twice. So the standard library's own decoder reads each piece out of a window on the text.
"""

import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, NoReturn

LONGEST_PIECE: Final = 16 * 2**20  # characters: of an item of the list, or of all other values at the top of a file
_BLOCK: Final = 2**18  # characters read at once
_MOST_NAMES: Final = 1000  # at the top of a file
_LONGEST_NAME: Final = 10_000  # characters, of those names
_AHEAD: Final = 12  # characters: so near the end of the window, an end or a fault may be none with more of the text
_BLANKS: Final = re.compile(r"[ \t\n\r]*")

Path = tuple[str | int, ...]  # of a value in its file: names and positions


class Unreadable(Exception):
    """What follows is no JSON, or too large. The text says why, without the content."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(problem)
        self.path, self.problem = path, problem


class Repeated(dict[str, Any]):
    """An object in which names come more than once; of each the last value counts."""

    names: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """A value at the top of a file, or an item of the list that is read item by item."""

    path: Path
    value: Any


def read_pieces(file: BinaryIO, *, items_of: str) -> Iterator[Piece]:
    """The values of the object in the file; of the list that is called `items_of`, an empty one but for its items.

    Raises Unreadable, after what comes before the fault was given.
    """
    with closing(_Window(file)) as window:
        yield from _members(window, items_of)


def _members(window: "_Window", items_of: str) -> Iterator[Piece]:
    window.take("{", ())
    names: set[str] = set()
    size = 0
    while window.peek(()) != "}":
        if names:
            window.take(",", ())
        name = window.name()
        if name in names or len(names) == _MOST_NAMES:
            raise Unreadable((name,), "the name comes twice" if name in names else "there are too many names")
        names.add(name)
        window.take(":", (name,))
        if name == items_of and window.peek((name,)) == "[":
            yield Piece((name,), [])
            yield from _items(window, name)
        else:
            begins = window.position
            value = window.value((name,))
            size += window.position - begins
            if size > LONGEST_PIECE:
                raise Unreadable((name,), f"with what stands before it, it has more than {LONGEST_PIECE:,} characters")
            yield Piece((name,), value)
    window.take("}", ())
    if window.peek(()):
        raise Unreadable((), "something follows after the end of the object")


def _items(window: "_Window", name: str) -> Iterator[Piece]:
    window.take("[", (name,))
    number = 0
    while window.peek((name,)) != "]":
        if number:
            window.take(",", (name, number))
        yield Piece((name, number), window.value((name, number)))
        number += 1
    window.take("]", (name,))


def parse(text: str | bytes, path: Path = ()) -> Any:
    """One value, which is all there is. Raises Unreadable."""
    content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    with closing(_Window(io.BytesIO(content))) as window:
        value = window.value(path)
        if window.peek(path):
            raise Unreadable(path, "something follows after the end of the value")
        return value


class _Window:
    """What was read of the text and is not used up."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        self._text, self._at, self._is_whole = "", 0, False
        self._used, self._lines = 0, 0  # characters and line breaks before the window

    def close(self) -> None:
        self._file.detach()  # whoever opened the file closes it

    @property
    def position(self) -> int:
        """How many characters were used up."""
        return self._used + self._at

    def peek(self, path: Path) -> str:
        """The next character that is not blank; "" at the end."""
        while True:
            self._at = _end_of_blanks(self._text, self._at)
            if self._at < len(self._text) or not self._read_on(path):
                return self._text[self._at : self._at + 1]

    def take(self, character: str, path: Path) -> None:
        if self.peek(path) != character:
            self._fail(path, f"“{character}” is missing")
        self._at += 1

    def name(self) -> str:
        if self.peek(()) != '"':
            self._fail((), "a name in quotes is missing")
        name = str(self.value(()))
        if len(name) > _LONGEST_NAME:
            self._fail((), f"a name has more than {_LONGEST_NAME:,} characters")
        return name

    def value(self, path: Path) -> Any:
        self.peek(path)
        while (found := self._decode(path)) is None:
            self._read_on(path)
        value, self._at = found
        return value

    def _decode(self, path: Path) -> tuple[Any, int] | None:
        """The value, and where it ends. None: that takes more of the text."""
        try:
            value, end = _DECODER.raw_decode(self._text, self._at)
        except _NotInJson as error:
            raise Unreadable(path, f"{error} is no JSON") from error
        except RecursionError as error:
            raise Unreadable(path, "it nests too deeply") from error
        except json.JSONDecodeError as error:
            at = len(self._text) if error.msg.startswith("Unterminated string") else error.pos
            if self._goes_on_behind(at):
                return None
            self._fail(path, f"it is no JSON: {error.msg}", at)
        except ValueError as error:
            raise Unreadable(path, "it is no JSON: a number has too many digits") from error
        return None if isinstance(value, int | float) and self._goes_on_behind(end) else (value, end)

    def _goes_on_behind(self, at: int) -> bool:
        """Whether it takes more of the text to know what is there."""
        return not self._is_whole and at + _AHEAD >= len(self._text)

    def _read_on(self, path: Path) -> bool:
        """Have more of the text, twice as much at least. False: there is no more."""
        waiting = len(self._text) - self._at
        if waiting > LONGEST_PIECE:
            raise Unreadable(path, f"it has more than {LONGEST_PIECE:,} characters")
        try:
            more = self._file.read(min(max(_BLOCK, waiting), LONGEST_PIECE + 1 - waiting))
        except UnicodeDecodeError as error:
            raise Unreadable(path, "it is not UTF-8") from error
        self._used, self._lines = self._used + self._at, self._lines + self._text.count("\n", 0, self._at)
        self._text, self._at = self._text[self._at :] + more, 0
        self._is_whole = not more
        return bool(more)

    def _fail(self, path: Path, problem: str, at: int | None = None) -> NoReturn:
        """`at`: where in the window; None: where reading is."""
        raise Unreadable(path, f"{problem}, {self._place(self._at if at is None else at)}")

    def _place(self, at: int) -> str:
        if at >= len(self._text):
            return "and the text ends there"
        line = self._lines + self._text.count("\n", 0, at) + 1
        return f"in line {line:,}" if line > 1 else f"at character {self._used + at + 1:,}"


class _NotInJson(Exception):
    """A word that Python's decoder takes, and JSON does not have."""


def _refuse(word: str) -> NoReturn:
    raise _NotInJson(word)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    repeated = Repeated(found)
    repeated.names = [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]
    return repeated


def _end_of_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse)
