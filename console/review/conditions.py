"""The filters of a queue as conditions, each in the forms that a database needs to be quick about it.

A condition may leave few examples or most of them, and the database guesses wrongly which. So each one says which rows
an index finds for it, and separately how to ask it of an example that was found in another way.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Self

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact, GreaterThanOrEqual

from capture_app.models import ExampleIndex, ExampleTag, Feedback, ForgottenExample, Review
from console.review.filters import Filters

FEW: Final = 5_000  # examples that are quicker sorted than walked to


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """What one filter asks of an example."""

    ids: QuerySet[Any, Any]  # of the examples that meet it, found through an index
    each: Q  # the same, asked of an example; no index serves it
    plain: Q = field(default_factory=Q)  # the same, for a field of the index that an index on field and time serves
    name: str = ""  # of that field

    def leaves_few(self) -> bool:
        return not self.ids.order_by()[FEW : FEW + 1].exists()

    @property
    def among_few(self) -> Q:
        """For a condition that leaves few: the database looks these up, and sorts them."""
        return Q(pk__in=self.ids)

    @classmethod
    def on_example(cls, name: str, lookup: str, value: Any) -> Self:
        """A condition on a field of the index."""
        # COALESCE keeps the field's index out: it leads to rows that would have to be sorted, however many there are.
        compare = GreaterThanOrEqual if lookup == "gte" else Exact
        plain = Q(**{f"{name}__{lookup}": value})
        each = Q(compare(Coalesce(F(name), F(name)), value))
        return cls(ExampleIndex.objects.filter(plain).values("pk"), each, plain, name)

    @classmethod
    def on_said(cls, rows: QuerySet[Any]) -> Self:
        """A condition on what people or applications said of an example."""
        return cls(rows.values("example_id"), Q(Exists(rows.filter(example_id=OuterRef("pk")))))


def conditions(filters: Filters) -> list[Condition]:
    """All but the one that nobody judged it yet, which most examples meet."""
    return [*_of_what_was_said(filters), *_of_the_index(filters)]


def unreviewed(but_by: str | None = None) -> Q:
    """That nobody judged it; or nobody but this user."""
    reviews = judged().filter(example_id=OuterRef("pk"))
    return ~Q(Exists(reviews if but_by is None else reviews.exclude(reviewed_by=but_by)))


def not_forgotten() -> Q:
    """Until an erasure that was interrupted is finished, the index still has what nobody may see any more."""
    return ~Q(Exists(ForgottenExample.objects.filter(pk=OuterRef("pk"))))


def judged() -> QuerySet[Review]:
    """Reviews that judge. A comment alone is a remark."""
    return Review.objects.exclude(verdict="", correction="")


def _of_the_index(filters: Filters) -> Iterator[Condition]:
    if filters.task:
        yield Condition.on_example("task", "exact", filters.task)
    if filters.model:
        yield Condition.on_example("model_name", "exact", filters.model)
    if filters.since_moment:
        yield Condition.on_example("created_at", "gte", filters.since_moment)


def _of_what_was_said(filters: Filters) -> Iterator[Condition]:
    if filters.state == "corrected":
        yield Condition.on_said(Review.objects.exclude(correction=""))
    elif filters.state in Review.Verdict.values:
        yield Condition.on_said(Review.objects.filter(verdict=filters.state))
    if filters.below is not None:
        yield Condition.on_said(Feedback.objects.filter(score__lt=filters.below))
    if filters.tag:
        yield Condition.on_said(ExampleTag.objects.filter(tag=filters.tag))
