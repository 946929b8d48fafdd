"""Finds what is private in a text: runs the rules, settles where they overlap, and looks again.

Again, because a placeholder may uncover what stood beside a private stretch: so a text that was redacted holds nothing
more to redact, and redacting twice changes nothing.
"""

import re
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from continuous_training.redaction.kinds import KINDS, NAME, PHONE, SECRET
from continuous_training.redaction.rules import PLAIN_RULES, Rule
from continuous_training.redaction.rules.assignments import is_secret_under
from continuous_training.redaction.rules.names import name_finder
from continuous_training.redaction.rules.phone_contexts import Said, said_of_number
from continuous_training.redaction.scan import Scan
from continuous_training.redaction.spans import PLACEHOLDER, Found

_MOST_LOOKS: Final = 8
_AROUND: Final = 384  # characters on either side of a placeholder that it may change the meaning of
_BEYOND: Final = 128  # from the edge of what is looked at again: rules look as far
_SHORTEST: Final = 2  # of what a placeholder's brackets can stand for while the text is looked at again
_ID_LABELS: Final = frozenset(("id", "tool_call_id", "call_id"))  # keys of ids drawn by chance, as secrets are
_RANK: Final = {kind: rank for rank, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The rules of one configuration; safe to share between threads."""

    rules: Sequence[Rule]
    names: Callable[[str], Iterable[Found]] | None = None
    knows_secrets: bool = True
    allowed: frozenset[str] = frozenset()  # values that are no one's
    allowed_patterns: Sequence[re.Pattern[str]] = field(default_factory=tuple)  # what lies within a match stays

    def find(self, text: str, label: str = "") -> list[Found]:
        """What is private in `text`, in its order and without overlaps. `label` is the key that the text is under."""
        if label and self.knows_secrets and (secret := _secret_under(label, text)):
            return self._not_allowed(text, [secret])
        announced = f"{label}: " if label and said_of_number(f"{label.lower()}: ") is Said.PHONE else ""
        found = self._find(announced + text, len(announced))
        if label in _ID_LABELS:
            found = [one for one in found if one.kind != SECRET]
        return self._not_allowed(text, found) if found else found

    def _find(self, text: str, skipped: int) -> list[Found]:
        """What is private in text[skipped:]; offsets count from there."""
        kept = [*([(0, skipped)] if skipped else []), *(found.span() for found in PLACEHOLDER.finditer(text))]
        masked = _masked(text, kept[1:] if skipped else kept)
        new = _settled(chain(self._names(text, skipped), self._by_rules(masked)), kept)
        everything: list[Found] = []
        for _ in range(_MOST_LOOKS):
            if not new:
                break
            everything += new
            spans = [(found.start, found.end) for found in new]
            kept, masked = sorted([*kept, *spans]), _masked(masked, spans)
            new = self._around(masked, spans, kept)
        whole = (one if one.value else one._replace(value=text[one.start : one.end]) for one in sorted(everything))
        return [_shifted(one, -skipped) for one in whole]

    def _around(self, masked: str, spans: Sequence[tuple[int, int]], kept: Sequence[tuple[int, int]]) -> list[Found]:
        """What there is to find around `spans` now that they are masked. Where that goes on beyond, all of the text is
        looked through."""
        windows = _windows(spans, len(masked))
        found = [_shifted(one, start) for start, end in windows for one in self._by_rules(masked[start:end])]
        new = _settled(found, kept)
        edges = [edge for window in windows for edge in window if 0 < edge < len(masked)]
        if any(one.start - _BEYOND < edge < one.end + _BEYOND for one in new for edge in edges):
            return _settled(self._by_rules(masked), kept)
        return new

    def _by_rules(self, text: str) -> Iterator[Found]:
        scan = Scan(text)
        return chain.from_iterable(rule(scan) for rule in self.rules)

    def _names(self, text: str, skipped: int) -> Iterator[Found]:
        return (_shifted(found, skipped) for found in self.names(text[skipped:])) if self.names else iter(())

    def _not_allowed(self, text: str, found: Sequence[Found]) -> list[Found]:
        spans = [match.span() for pattern in self.allowed_patterns for match in pattern.finditer(text)]
        return [
            one
            for one in found
            if text[one.start : one.end] not in self.allowed
            and not any(start <= one.start and one.end <= end for start, end in spans)
        ]


def make_engine(
    *,
    rules: Iterable[str] = KINDS,
    regions: Iterable[str] = (),
    allowed: Iterable[str] = (),
    allowed_patterns: Iterable[str] = (),
    names: str = "",
) -> Engine:
    """The engine of some of KINDS. `names` is the dotted path of a function that finds names; see names.py."""
    wanted = tuple(rules)
    plain: list[Rule] = [PLAIN_RULES[kind] for kind in wanted if kind in PLAIN_RULES]
    return Engine(
        rules=(*plain, _phone_rule(tuple(regions))) if PHONE in wanted else plain,
        names=name_finder(names) if NAME in wanted and names else None,
        knows_secrets=SECRET in wanted,
        allowed=frozenset(allowed),
        allowed_patterns=tuple(map(re.compile, allowed_patterns)),
    )


def _phone_rule(regions: tuple[str, ...]) -> Rule:
    from continuous_training.redaction.rules.phones import phone_rule  # phonenumberslite is optional, and large

    return phone_rule(regions)


def _secret_under(label: str, text: str) -> Found | None:
    value = text.strip()
    if PLACEHOLDER.search(value) or not is_secret_under(label, value):
        return None
    start = text.index(value)
    return Found(start, start + len(value), SECRET, value)


def _windows(spans: Sequence[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    """The parts of a text of `length` that lie around the spans, those that meet in one."""
    windows: list[tuple[int, int]] = []
    for start, end in spans:
        first, last = max(0, start - _AROUND), min(length, end + _AROUND)
        if windows and first <= windows[-1][1]:
            windows[-1] = windows[-1][0], last
        else:
            windows.append((first, last))
    return windows


def _masked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """`text` with something as long in the place of each span that looks like a placeholder to every rule."""
    parts: list[str] = []
    reached = 0
    for start, end in spans:
        parts += text[reached:start], "[", "\0" * (end - start - 2), "]"
        reached = end
    return "".join((*parts, text[reached:])) if parts else text


def _settled(found: Iterable[Found], kept: Sequence[tuple[int, int]]) -> list[Found]:
    """Without overlaps: of two that do, all that either covers is one, of the longer one's kind and with no value."""
    settled: list[Found] = []
    cut = (_clear_of(kept, one) for one in found) if kept else found
    for one in sorted(filter(None, cut), key=_order):
        if settled and one.start < settled[-1].end:
            settled[-1] = _united(settled[-1], one)
        else:
            settled.append(one)
    return settled


def _order(found: Found) -> tuple[int, int, int]:
    return found.start, -found.end, _RANK.get(found.kind, len(_RANK))


def _united(first: Found, second: Found) -> Found:
    if second.end <= first.end:
        return first
    longer = first if first.end - first.start >= second.end - second.start else second
    return Found(first.start, second.end, longer.kind, "")


def _clear_of(kept: Sequence[tuple[int, int]], found: Found) -> Found | None:
    """What of `found` lies before the first span that it overlaps; None when it begins within one."""
    index = bisect_right(kept, (found.start, sys.maxsize))
    if index and kept[index - 1][1] > found.start:
        return None
    end = min(found.end, kept[index][0]) if index < len(kept) else found.end
    return found._replace(end=end) if end - found.start >= _SHORTEST else None


def _shifted(found: Found, by: int) -> Found:
    return found._replace(start=found.start + by, end=found.end + by) if by else found
