"""Which example comes next, or came before, and who has it open.

Where a filter leaves few examples, those are found through its index and sorted. Else the way is walked (see walk), for
as many examples as one request can look at; when none of them is sought, the page says so and goes on if it is told to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Q

from capture_app.models import ExampleIndex
from console.audit import SAW
from console.models import AuditEvent
from console.review.conditions import Condition, conditions, not_forgotten, unreviewed
from console.review.filters import NEWEST, UNREVIEWED, Filters
from console.review.walk import STRETCHES, Way, look, newest, sample

LEASE: Final = timedelta(minutes=5)  # so long an example is left to who opened it
_CANDIDATES: Final = 20  # among which one is looked for that nobody else has open

User = AbstractBaseUser | AnonymousUser


@dataclass(frozen=True, slots=True)
class Found:
    """What a look through the queue gave."""

    example: ExampleIndex | None
    opened_by: str = ""  # who else has it open, when there is no other to give
    looked_until: ExampleIndex | None = None  # nothing so far, and there is more beyond this one


def following(filters: Filters, user: User, place: ExampleIndex | None = None) -> Found:
    """The next example after `place`, or the first; one that nobody else has open, if there is one near."""
    candidates, end = _look(filters, _way(filters, place))
    others = opened_by_others(candidates, user)
    free = next((example for example in candidates if example.pk not in others), None)
    if free or not candidates:
        return Found(free, looked_until=end)
    return Found(candidates[0], others[candidates[0].pk])


def preceding(filters: Filters, user: User, place: ExampleIndex) -> Found:
    """The one before `place`. What the user just reviewed is on the way back, though it has left the queue."""
    found, end = _look(filters, _way(filters, place, back=True), own=user.get_username())
    return Found(found[0] if found else None, looked_until=end)


def opened_by_others(examples: Sequence[ExampleIndex], user: User) -> dict[str, str]:
    """Of these examples, those that another user opened a moment ago, with that user's name. The trail knows."""
    if not examples:
        return {}
    ids = [example.pk for example in examples]
    opened = AuditEvent.objects.filter(action=SAW, example__in=ids, at__gte=datetime.now(UTC) - LEASE)
    return dict(opened.exclude(user=user.get_username()).order_by("at").values_list("example", "user"))


def _way(filters: Filters, place: ExampleIndex | None, *, back: bool = False) -> Way:
    return newest(place, back=back) if filters.order == NEWEST else sample(filters.seed, place, back=back)


def _look(filters: Filters, way: Way, own: str | None = None) -> tuple[list[ExampleIndex], ExampleIndex | None]:
    asked = conditions(filters)
    few = [condition for condition in asked if condition.leaves_few()]
    served = [] if few or filters.order != NEWEST else _served_by_time(asked)
    examples = ExampleIndex.objects.filter(*(each.among_few for each in few), *(each.plain for each in served))
    sought = [each.each for each in asked if each not in few and each not in served]
    if filters.state == UNREVIEWED:
        sought.append(unreviewed(but_by=own))
    stretches = () if few else STRETCHES
    return look(way, examples, Q(*sought, not_forgotten()), limit=_CANDIDATES, stretches=stretches)


def _served_by_time(asked: Sequence[Condition]) -> list[Condition]:
    """Those that one index serves together with the order: the time itself, and one field before it."""
    times = [condition for condition in asked if condition.name == "created_at"]
    return [*times, *[condition for condition in asked if condition.name in ("task", "model_name")][:1]]
