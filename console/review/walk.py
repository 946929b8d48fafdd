"""Ways through the examples that cost the same at any size of the index: along an index, from place to place.

`newest` goes by time. `sample` goes by `prompt_hash`, which is as good as random, from a place that the seed names,
around to that place again. It visits each prompt once: a health check that was asked a thousand times is one example.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

from capture_app.models import ExampleIndex
from console.examples.places import Place, beyond, up_to

STRETCHES: Final = (1_000, 9_000, 20_000)  # examples looked at in one request, stretch by stretch

Examples = QuerySet[ExampleIndex]
Bound = Callable[[ExampleIndex], Q]


@dataclass(frozen=True, slots=True)
class Way:
    """A direction through the examples."""

    parts: tuple[Q, ...]  # what lies ahead; one part after the other
    order: tuple[str, ...]
    beyond: Bound  # what lies behind an example, without it
    until: Bound  # what lies before an example, with it


def newest(place: ExampleIndex | None = None, *, back: bool = False) -> Way:
    """By time, the newest first; or back to them."""
    parts = (Q() if place is None else _beyond(place, later=back),)
    order = ("created_at", "id") if back else ("-created_at", "-id")
    return Way(parts, order, partial(_beyond, later=back), partial(_up_to, later=back))


def sample(seed: int, place: ExampleIndex | None = None, *, back: bool = False) -> Way:
    """In a random order that is the same for the same seed."""
    pivot = hashlib.sha256(str(seed).encode()).hexdigest()
    if back:
        parts, order = _parts_behind(pivot, place), ("-prompt_hash", "id")  # of one prompt, again the first
        return Way(parts, order, _smaller_hash, lambda example: Q(prompt_hash__gte=example.prompt_hash))
    parts, order = _parts_ahead(pivot, place), ("prompt_hash", "id")
    return Way(parts, order, _larger_hash, lambda example: Q(prompt_hash__lte=example.prompt_hash))


def look(
    way: Way, examples: Examples, condition: Q, *, limit: int, stretches: Sequence[int] = STRETCHES
) -> tuple[list[ExampleIndex], ExampleIndex | None]:
    """The first `limit` examples on the way that meet the condition, and where the look ended before the way did.

    The way leads over all of `examples`, so what restricts them must have an index together with the order. Without
    `stretches` the database finds all that meet the condition, and sorts them.
    """
    for part in way.parts:
        rest = examples.filter(part)
        if stretches:
            found, end = _walk(way, rest, condition, limit, stretches)
        else:
            found, end = _sort(way, rest, condition, limit), None
        if found or end:
            return found, end
    return [], None


def _walk(
    way: Way, rest: Examples, condition: Q, limit: int, stretches: Sequence[int]
) -> tuple[list[ExampleIndex], ExampleIndex | None]:
    rest, end = rest.order_by(*way.order), None
    for length in stretches:
        end = rest[length - 1 : length].first()
        stretch = rest.filter(way.until(end)) if end else rest
        found = list(stretch.filter(condition)[:limit])
        if found or end is None:
            return found, None
        rest = rest.filter(way.beyond(end))
    return [], end


def _sort(way: Way, rest: Examples, condition: Q, limit: int) -> list[ExampleIndex]:
    # COALESCE keeps the database from walking along the order's index for examples that are few and may be far away.
    values = {name: Coalesce(F(name.removeprefix("-")), F(name.removeprefix("-"))) for name in way.order}
    order = [value.desc() if name.startswith("-") else value.asc() for name, value in values.items()]
    return list(rest.filter(condition).order_by(*order)[:limit])


def _beyond(place: ExampleIndex, *, later: bool) -> Q:
    return Q(beyond(Place.of(place), later=later))


def _up_to(place: ExampleIndex, *, later: bool) -> Q:
    return Q(up_to(Place.of(place), later=later))


def _larger_hash(place: ExampleIndex) -> Q:
    return Q(prompt_hash__gt=place.prompt_hash)


def _smaller_hash(place: ExampleIndex) -> Q:
    return Q(prompt_hash__lt=place.prompt_hash)


def _parts_ahead(pivot: str, place: ExampleIndex | None) -> tuple[Q, ...]:
    to_the_end, around = Q(prompt_hash__gte=pivot), Q(prompt_hash__lt=pivot)
    if place is None:
        return to_the_end, around
    if place.prompt_hash >= pivot:
        return _larger_hash(place), around
    return (_larger_hash(place) & around,)


def _parts_behind(pivot: str, place: ExampleIndex | None) -> tuple[Q, ...]:
    to_the_start = Q(prompt_hash__gte=pivot)
    if place is None:
        return ()
    if place.prompt_hash >= pivot:
        return (_smaller_hash(place) & to_the_start,)
    return _smaller_hash(place), to_the_start
