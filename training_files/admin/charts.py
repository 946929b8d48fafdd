"""The distribution of a training file as charts. Only numbers are drawn; names are text beside them.

Bars are SVG, whose widths need no inline style. The heat chart is a table, in which each cell has its number and one of
six shades: a screen reader reads what an eye sees.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.utils.http import urlencode

from capture_app.shown import short
from training_files.balance import Cell, Distribution

WIDTH: Final = 1000  # of the box into which a bar is drawn
SHADES: Final = 5  # beside that of nothing

_MOST_BARS: Final = 20
_MOST_ROWS: Final = 15
_MOST_COLUMNS: Final = 8
_MOST_TOPICS: Final = 8
_FIELDS: Final = ("persona_key", "emotional_arc_key", "training_topic_key")


@dataclass(frozen=True, slots=True)
class Bar:
    name: str  # "": of those that do not say
    number: str
    width: str  # of WIDTH


@dataclass(frozen=True, slots=True)
class Bars:
    """What there is how often, the most first."""

    title: str
    slug: str
    bars: list[Bar]
    others: str  # how many names are left out; "" for none


@dataclass(frozen=True, slots=True)
class Square:
    """A cell of the heat chart."""

    number: str
    more: str  # how many could be added; "" for none
    shade: int  # 0 to SHADES
    query: str  # of the list of conversations that shows these


@dataclass(frozen=True, slots=True)
class Heat:
    """Personas by arcs, of one topic or of all."""

    title: str
    slug: str
    columns: list[str]
    rows: list[tuple[str, list[Square]]]
    others: str  # what is left out, in words; "" for nothing


def bars(title: str, counts: Mapping[str, int], *, keep_order: bool = False) -> Bars:
    """`keep_order`: as they come, instead of the most first."""
    ordered = list(counts.items()) if keep_order else sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    most = max(counts.values(), default=0) or 1
    drawn = [Bar(short(name), f"{count:,}", str(round(WIDTH * count / most))) for name, count in ordered[:_MOST_BARS]]
    left_out = len(ordered) - len(drawn)
    return Bars(title, title.lower(), drawn, f"{left_out:,}" if left_out else "")


def heats(distribution: Distribution) -> list[Heat]:
    """One of all topics together, and one of each of the most frequent topics."""
    by_topic: dict[str, list[Cell]] = defaultdict(list)
    for cell in distribution.cells:
        by_topic[cell.key[2]].append(cell)
    if not by_topic:
        return []
    topics = sorted(by_topic, key=lambda topic: (-_sum(by_topic[topic]), topic))
    drawn = [_heat("All topics", "topics-all", distribution.cells, None)]
    if len(topics) > 1:
        drawn += [
            _heat(short(topic) or "No topic", f"topic-{number}", by_topic[topic], topic)
            for number, topic in enumerate(topics[:_MOST_TOPICS], 1)
        ]
    return drawn


def _sum(cells: Iterable[Cell]) -> int:
    return sum(cell.conversations for cell in cells)


def _heat(title: str, slug: str, cells: Sequence[Cell], topic: str | None) -> Heat:
    """`topic`: that of all of the cells; None: there are several."""
    grid: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in cells:
        grid[cell.key[0], cell.key[1]].append(cell)
    personas, arcs = _most(cells, 0), _most(cells, 1)
    highest = max(map(_sum, grid.values()), default=0)
    rows = [
        (
            short(persona),
            [_square(grid[persona, arc], (persona, arc, topic), highest) for arc in arcs[:_MOST_COLUMNS]],
        )
        for persona in personas[:_MOST_ROWS]
    ]
    return Heat(title, slug, [short(arc) for arc in arcs[:_MOST_COLUMNS]], rows, _left_out(personas, arcs))


def _most(cells: Iterable[Cell], place: int) -> list[str]:
    """The personas, or the arcs: the most frequent first."""
    counts: dict[str, int] = defaultdict(int)
    for cell in cells:
        counts[cell.key[place]] += cell.conversations
    return sorted(counts, key=lambda name: (-counts[name], name))


def _square(cells: Sequence[Cell], key: tuple[str, str, str | None], highest: int) -> Square:
    count, more = _sum(cells), sum(cell.candidates for cell in cells)
    query = {field: name for field, name in zip(_FIELDS, key, strict=True) if name is not None}
    shade = -(-SHADES * count // highest) if count else 0
    return Square(f"{count:,}", f"{more:,}" if more else "", shade, urlencode(query) if cells else "")


def _left_out(personas: Sequence[str], arcs: Sequence[str]) -> str:
    """The rarest ones."""
    left = ((len(personas) - _MOST_ROWS, "personas"), (len(arcs) - _MOST_COLUMNS, "arcs"))
    return " and ".join(f"{number:,} {word}" for number, word in left if number > 0)
