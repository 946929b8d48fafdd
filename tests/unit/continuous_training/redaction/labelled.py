"""The labelled corpus: texts in which every private stretch is marked with its kind.

In the files of corpus/ a line is a text, ⟦KIND|text⟧ a mark, ␤ a line feed, and a line that starts with "# " a comment.
`<36>` within a mark becomes 36 letters and digits drawn by chance, `<hex:32>`, `<digits:12>` and `<b32:16>` others:
so no file holds anything that scanners of repositories take for a real key.
"""

import random
import re
import string
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

CORPUS = Path(__file__).parent / "corpus"
CLAIMED = ("people.txt", "machines.txt", "nobody.txt", "unseen.txt")
NOT_CLAIMED = "not_claimed.txt"

_MARK = re.compile(r"⟦([A-Z]+)\|(.*?)⟧", re.DOTALL)
_DRAWN = re.compile(r"<(?:(hex|digits|b32):)?([0-9]{1,2})>")
_ALPHABETS = {
    None: string.ascii_letters + string.digits,
    "hex": "0123456789abcdef",
    "digits": string.digits,
    "b32": string.ascii_uppercase + "234567",
}


class Mark(NamedTuple):
    start: int
    end: int
    kind: str


class Labelled(NamedTuple):
    text: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Score:
    """Stretches that must agree with a mark in kind, start and end."""

    found: int
    missed: int
    wrong: int

    @property
    def recall(self) -> float:
        return self.found / (self.found + self.missed or 1)

    @property
    def precision(self) -> float:
        return self.found / (self.found + self.wrong or 1)


def labelled(line: str, chance: random.Random) -> Labelled:
    parts: list[str] = []
    marks, reached, length = [], 0, 0
    for mark in _MARK.finditer(line.replace("␤", "\n")):
        before, value = mark.string[reached : mark.start()], drawn(mark[2], chance)
        parts += before, value
        marks.append(Mark(length + len(before), length + len(before) + len(value), mark[1]))
        length, reached = marks[-1].end, mark.end()
    return Labelled("".join((*parts, line.replace("␤", "\n")[reached:])), tuple(marks))


def drawn(text: str, chance: random.Random) -> str:
    return _DRAWN.sub(lambda form: "".join(chance.choices(_ALPHABETS[form[1]], k=int(form[2]))), text)


def written(*names: str) -> list[Labelled]:
    """The texts of the files that were written by hand."""
    chance = random.Random(7)
    lines = (line for name in names for line in (CORPUS / name).read_text().splitlines())
    return [labelled(line, chance) for line in lines if line and not line.startswith("# ")]


def scores(texts: Iterable[Labelled], find: Callable[[str], Iterable[Mark]]) -> dict[str, Score]:
    """By kind, in the order of the kinds' names."""
    found, missed, wrong = Counter[str](), Counter[str](), Counter[str]()
    for text in texts:
        ours, right = set(find(text.text)), set(text.marks)
        found.update(mark.kind for mark in ours & right)
        missed.update(mark.kind for mark in right - ours)
        wrong.update(mark.kind for mark in ours - right)
    return {kind: Score(found[kind], missed[kind], wrong[kind]) for kind in sorted(found | missed | wrong)}


def differences(texts: Iterable[Labelled], find: Callable[[str], Iterable[Mark]]) -> Iterator[str]:
    """What was missed (-) and what was wrong (+), with the text around it."""
    for text in texts:
        ours, right = set(find(text.text)), set(text.marks)
        for mark in sorted(ours ^ right):
            sign, around = "-+"[mark in ours], text.text[max(0, mark.start - 30) : mark.end + 30]
            yield f"{sign} {mark.kind} {text.text[mark.start : mark.end]!r} in {around!r}"
