"""How evenly a training file is spread over persona, arc and topic, and over tiers, and what would even it out.

A cell is a combination of persona, arc and topic (or a tier) that some conversation of the file has, or one that could
be added. The measure is the normalised entropy (Pielou's evenness): the entropy of the file's conversations over the
cells, divided by the logarithm of the number of cells. 1: every cell has equally many; 0: all are in one.

To add one conversation raises the entropy the most, or lowers it the least, when it goes into the cell that has the
fewest: of the sum of n log n nothing else changes, and its step grows with n. So `suggest` is greedy: it fills the
poorest cell again and again. Of cells that are equally poor it takes the one whose persona, arc and topic are together
the rarest in the file, then the first by its key; of a cell the best-rated conversation, then the first by its id.

Cells are counted in SQL and pass by one at a time. At most MOST_CELLS are kept, however many conversations there are.
"""

import heapq
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet, TextField, Value
from django.db.models.functions import Coalesce, NullIf

from capture_app.wording import counted
from training_files.describing import describe, get_training_file, in_version
from training_files.exceptions import InvalidRequest
from training_files.models import Conversation, TrainingFile, TrainingFileConversation
from training_files.v4.conversation import EXPERIMENTAL, REJECTED, TIERS
from training_files.v4.figures import Figures

SCAFFOLDING: Final = "scaffolding"
TIER: Final = "tier"
MOST_CELLS: Final = 2_000
MOST_SUGGESTIONS: Final = 200

_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    SCAFFOLDING: ("persona_key", "emotional_arc_key", "training_topic_key"),
    TIER: ("tier",),
}
_WORDS: Final = {SCAFFOLDING: "this persona, arc and topic", TIER: "this tier"}
_READY: Final = Q(enrichment_status=Conversation.Enrichment.COMPLETED, enriched_file_path__isnull=False)

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A combination. "" where a conversation does not say."""

    key: Key  # (persona, arc, topic), or (tier,)
    conversations: int  # of the training file
    candidates: int  # more that could be added


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Cells by what the conversations say now; personas, arcs, topics and tiers by what is in the training file."""

    cells: list[Cell]  # those with the most conversations first, at most MOST_CELLS
    cells_in_all: int
    evenness: float | None  # over all cells that say something; None: there are fewer than two
    personas: Mapping[str, int]
    arcs: Mapping[str, int]
    topics: Mapping[str, int]
    tiers: Mapping[str, int]  # all four, the best first, and any other that files name
    tier_evenness: float  # over the tiers but "rejected", which nobody wants more of


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A conversation that would even the training file out."""

    conversation_id: str
    cell: Key
    quality_score: float | None
    quality_tier: str
    has_before: int  # conversations of the file in the cell, with those suggested before this one
    why: str


def distribution(training_file: TrainingFile, number: int | None = None) -> Distribution:
    """Of a version, by default the current one. Raises NotFound."""
    described = describe(training_file, number)
    figures, entropy = described.figures, _Entropy()
    cells = heapq.nsmallest(
        MOST_CELLS,
        entropy.seen(_cells(training_file, described.version.number, SCAFFOLDING, _READY)),
        key=lambda cell: (-cell.conversations, cell.key),
    )
    tiers = _tiers(figures)
    return Distribution(
        cells=cells,
        cells_in_all=entropy.cells,
        evenness=entropy.evenness,
        personas=figures.personas,
        arcs=figures.arcs,
        topics=figures.topics,
        tiers=tiers,
        tier_evenness=evenness([count for tier, count in tiers.items() if tier != REJECTED]) or 0.0,
    )


def _tiers(figures: Figures) -> dict[str, int]:
    others = sorted(set(figures.tiers) - set(TIERS))
    return {tier: figures.tiers.get(tier, 0) for tier in (*TIERS, *others)}


def evenness(counts: Sequence[int]) -> float | None:
    """The normalised entropy of the counts, each of a cell; None for fewer than two cells, 0 when all are empty."""
    entropy = _Entropy()
    for count in counts:
        entropy.add(count)
    return entropy.evenness


class _Entropy:
    """Added up over cells that pass by."""

    def __init__(self) -> None:
        self.cells = 0
        self._total = 0
        self._sum = 0.0  # of n·log n

    def add(self, count: int) -> None:
        self.cells += 1
        self._total += count
        self._sum += count * math.log(count) if count else 0.0

    def seen(self, cells: Iterator[Cell]) -> Iterator[Cell]:
        """The cells, all of them counted; but for that of which nothing is known, as blanks are not counted."""
        for cell in cells:
            if any(cell.key):
                self.add(cell.conversations)
            yield cell

    @property
    def evenness(self) -> float | None:
        if self.cells < 2:
            return None
        if not self._total:
            return 0.0
        entropy = math.log(self._total) - self._sum / self._total
        return min(1.0, max(0.0, entropy / math.log(self.cells)))  # neither -0 nor a little more than 1


def suggest(
    file_id: UUID | str, *, by: str = SCAFFOLDING, limit: int = 20, min_quality: float | None = None
) -> list[Suggestion]:
    """Completed conversations to add to the current version, the one that evens it out most first.

    `by` is "scaffolding" or "tier"; with the latter none of the tier "rejected" is suggested, and in any case none of
    which neither persona nor arc nor topic is known. `min_quality` leaves out those rated lower, or not at all.
    Deterministic; 2 questions to the database, and one for each cell that is filled. Raises NotFound, InvalidRequest.
    """
    _refuse(by, limit)
    training_file = get_training_file(file_id)
    described = describe(training_file)
    wanted = _READY & _worth_it(by, min_quality)
    cells = (cell for cell in _cells(training_file, described.version.number, by, wanted) if cell.candidates)
    known = _known(by, described.figures)
    poorest = heapq.nsmallest(MOST_CELLS, cells, key=lambda cell: _wealth(cell.key, cell.conversations, known))
    picked = _fill(poorest, known, limit)
    best = {
        cell.key: _best(training_file, described.version.number, by, cell.key, wanted, times)
        for cell, times in Counter(cell for cell, _ in picked).items()
    }
    found = ((cell, has_before, next(best[cell.key], None)) for cell, has_before in picked)
    return [_suggestion(row, cell, has_before, by) for cell, has_before, row in found if row]  # one may have gone


def _refuse(by: str, limit: int) -> None:
    if by not in _FIELDS:
        raise InvalidRequest(f"Suggestions are made by {' or '.join(_FIELDS)}, not by {by!r}.", field="by")
    if not 1 <= limit <= MOST_SUGGESTIONS:
        raise InvalidRequest(f"From 1 to {MOST_SUGGESTIONS} conversations are suggested at once.", field="limit")


def _worth_it(by: str, min_quality: float | None) -> Q:
    says_something = ~Q(**dict.fromkeys(_FIELDS[SCAFFOLDING], ""))
    good_enough = Q() if min_quality is None else Q(quality_score__gte=min_quality)
    return says_something & good_enough & (~Q(quality_tier=REJECTED) if by == TIER else Q())


def _with_tiers() -> QuerySet[Conversation]:
    """A conversation that names no tier counts as experimental, as in the figures."""
    text = TextField()
    tier = Coalesce(NullIf("quality_tier", Value("", text)), Value(EXPERIMENTAL, text), output_field=text)
    return Conversation.objects.annotate(tier=tier).order_by()


def _members(training_file: TrainingFile, number: int) -> Q:
    held = TrainingFileConversation.objects.filter(in_version(number, "part__"), part__training_file=training_file)
    return Q(pk__in=held.values("conversation_id"))


def _cells(training_file: TrainingFile, number: int, by: str, wanted: Q) -> Iterator[Cell]:
    """Those that the version has something in, or that something could be added to, in no order."""
    is_member = _members(training_file, number)
    counts = {"held": Count("pk", filter=is_member), "free": Count("pk", filter=wanted & ~is_member)}
    for *key, held, free in _with_tiers().values_list(*_FIELDS[by]).annotate(**counts).iterator():
        if held or free:
            yield Cell(key=tuple(key), conversations=held, candidates=free)


def _known(by: str, figures: Figures) -> list[Counter[str]]:
    """How often each persona, arc and topic is in the training file."""
    return [Counter(each) for each in (figures.personas, figures.arcs, figures.topics)] if by == SCAFFOLDING else []


def _wealth(key: Key, has: int, known: Sequence[Counter[str]]) -> tuple[int, int, Key]:
    """The least of it is the poorest cell."""
    return has, sum(counter[name] for counter, name in zip(known, key, strict=False)), key  # a tier has no parts


def _fill(cells: Sequence[Cell], known: Sequence[Counter[str]], limit: int) -> list[tuple[Cell, int]]:
    """The cells into which one conversation after the other goes, each with how many it has before."""
    has = {cell.key: cell.conversations for cell in cells}
    left = {cell.key: cell for cell in cells}
    picked: list[tuple[Cell, int]] = []
    while left and len(picked) < limit:
        cell = min(left.values(), key=lambda each: _wealth(each.key, has[each.key], known))
        picked.append((cell, has[cell.key]))
        has[cell.key] += 1
        for counter, name in zip(known, cell.key, strict=False):
            counter[name] += 1
        if has[cell.key] - cell.conversations == cell.candidates:
            del left[cell.key]
    return picked


def _best(training_file: TrainingFile, number: int, by: str, key: Key, wanted: Q, times: int) -> Iterator[Conversation]:
    """The best-rated conversations of a cell."""
    in_cell = Q(**dict(zip(_FIELDS[by], key, strict=True)))
    free = _with_tiers().filter(in_cell & wanted & ~_members(training_file, number))
    return iter(free.order_by(F("quality_score").desc(nulls_last=True), "pk")[:times])


def _suggestion(row: Conversation, cell: Cell, has_before: int, by: str) -> Suggestion:
    return Suggestion(
        conversation_id=row.pk,
        cell=cell.key,
        quality_score=row.quality_score,
        quality_tier=row.quality_tier,
        has_before=has_before,
        why=f"The training file has {counted(has_before, 'conversation')} of {_WORDS[by]}, and could have "
        f"{cell.candidates - (has_before - cell.conversations):,} more; this is the best rated of them.",
    )
