"""One page of the list, in a time that does not grow with the index: no count, no offset, and an end to every look.

Examples come in the order of time, from a place on. Either the database walks along an index until the page is full or
it has looked at so many rows that it must ask (`looked_until`); or there are few examples that can be wanted, and those
are sorted here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Q, QuerySet

from capture_app.models import ExampleIndex
from console.examples.conditions import FEW, conditions_of, index, span_condition
from console.examples.places import Place, beyond, up_to
from console.examples.search.finding import Hits, find_by_words
from console.examples.wanted import PREVIEWS, Wanted

PAGE: Final = 50  # examples
STRETCH: Final = 30_000  # rows that are looked at for one page

Examples = QuerySet[ExampleIndex]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is searched for, as far as it could be told before any filter."""

    ids: list[str] | None = None  # None: nothing is searched for, or only looking through the previews tells
    looked_through: str = ""  # for what the previews are looked through
    by: str = ""  # id, prompt or conversation, when the question is one; "" when it is words
    hits: Hits | None = None  # of words


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    rows: list[ExampleIndex]
    next: Place | None  # where the next page begins, after this place; None: this is the last
    previous: Place | None  # and where the one before ends
    looked_until: datetime | None  # nothing more was found until then; there is more to look through
    found: Found


class Listing:
    """What is wanted, found."""

    def __init__(self, wanted: Wanted, *, may_read: bool) -> None:
        self.wanted = wanted
        self.found = _search(wanted, may_read=may_read)
        self._conditions = conditions_of(wanted)
        self._few = self.found.ids if self.found.ids is not None else self._conditions.few

    def examples(self) -> Examples:
        """All that is wanted, for an action; this may take its time."""
        newest_first = index().order_by("-created_at", "-id")
        if self._few is not None:
            among_few = Q(pk__in=self._few[:FEW]) & self._conditions.all_but_span & span_condition(self.wanted)
            return newest_first.filter(among_few)
        rest = self._rest()
        found = newest_first.filter(self._conditions.lead)
        return found if rest is None else found.filter(rest)

    def page(self, size: int = PAGE) -> Page:
        if self._few is not None:
            return self._page_of_few(self._few, size)
        return self._page_of_many(size)

    # --- Along an index ----------------------------------------------------------------------------------------------

    def _page_of_many(self, size: int) -> Page:
        wanted = self.wanted
        is_back = wanted.before is not None
        from_here = wanted.before or wanted.after
        rows, end = self._walk(from_here, later=wanted.is_oldest_first != is_back, count=size + 1)
        has_more = len(rows) > size
        rows = rows[:size]
        onward = Place.of(rows[-1]) if has_more else end
        back = Place.of(rows[0]) if rows else from_here
        if is_back:
            rows.reverse()
            back = Place.of(rows[-1]) if rows else from_here
        return Page(
            rows=rows,
            next=back if is_back else onward,
            previous=onward if is_back else (back if from_here else None),
            looked_until=None if has_more or end is None else end.at,
            found=self.found,
        )

    def _walk(self, place: Place | None, *, later: bool, count: int) -> tuple[list[ExampleIndex], Place | None]:
        """The next rows from the place on, and where the look ended before they were enough."""
        order = ("created_at", "id") if later else ("-created_at", "-id")
        ahead = index().filter(self._conditions.lead).order_by(*order)
        if place:
            ahead = ahead.filter(beyond(place, later=later))
        rest = self._rest()
        if rest is None:
            return list(ahead[:count]), None
        key = ahead.values_list("created_at", "id")[STRETCH - 1 : STRETCH].first()
        end = Place(*key) if key else None
        stretch = ahead.filter(up_to(end, later=later)) if end else ahead
        rows = list(stretch.filter(rest)[:count])
        return rows, end if len(rows) < count else None

    def _rest(self) -> Q | None:
        rest, text = self._conditions.rest, self.found.looked_through
        if not text:
            return rest
        holds = Q(prompt_preview__icontains=text) | Q(response_preview__icontains=text)
        return holds if rest is None else rest & holds

    # --- Of a few ----------------------------------------------------------------------------------------------------

    def _page_of_few(self, few: Sequence[str], size: int) -> Page:
        wanted = self.wanted
        places = self._sorted_places(few)
        start = _position(places, wanted.after, wanted, after=True) if wanted.after else 0
        if wanted.before:
            end = _position(places, wanted.before, wanted, after=False)
            start = max(0, end - size)
        shown = places[start : start + size]
        rows = {row.pk: row for row in ExampleIndex.objects.filter(pk__in=[place.id for place in shown])}
        return Page(
            rows=[rows[place.id] for place in shown if place.id in rows],
            next=shown[-1] if start + size < len(places) else None,
            previous=shown[0] if start and shown else None,
            looked_until=None,
            found=self.found,
        )

    def _sorted_places(self, few: Sequence[str]) -> list[Place]:
        """Of those among the few that the filters let through."""
        passing = index().filter(Q(pk__in=few[:FEW]) & self._conditions.all_but_span)
        places = [Place(*key) for key in passing.values_list("created_at", "id")]
        span = self.wanted.span
        if span:
            places = [place for place in places if span[0] <= place.at < span[1]]
        return sorted(places, reverse=not self.wanted.is_oldest_first)


def _position(places: Sequence[Place], place: Place, wanted: Wanted, *, after: bool) -> int:
    """Where the place is, or would be, among the sorted ones; with `after`, the position behind it."""
    passed = 0
    for each in places:
        is_before = each < place if wanted.is_oldest_first else each > place
        if not (is_before or (after and each == place)):
            break
        passed += 1
    return passed


def _search(wanted: Wanted, *, may_read: bool) -> Found:
    """What the question is: an example, a prompt, a conversation, or words."""
    question = wanted.question
    if not question:
        return Found()
    if wanted.look_in != PREVIEWS:
        for by, condition in _exactly(question, may_read=may_read).items():
            newest = ExampleIndex.objects.filter(condition).order_by("-created_at", "-id")
            ids = list(newest.values_list("pk", flat=True)[:FEW])
            if ids:
                return Found(ids=ids, by=by)
    if not may_read:
        return Found(ids=[])
    hits = find_by_words(question)
    return Found(ids=hits.ids, hits=hits) if hits else Found(looked_through=question)


def _exactly(question: str, *, may_read: bool) -> dict[str, Q]:
    """Whoever knows a text knows its hash: it tells who may not read whether it was ever asked."""
    exactly = {"id": Q(pk=question), "conversation": Q(conversation_id=question)}
    return {**exactly, "prompt": Q(prompt_hash=question)} if may_read else exactly
