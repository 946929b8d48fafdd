"""What the filters ask, as conditions on the index: one leads along an index, the others are looked at row by row.

A database that is free to choose may go along the wrong index, through a million rows. So it has no choice: what does
not lead is asked of an alias (`_task` for `task`), which no index serves.
"""

from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import Any, Final

from django.db.models import BooleanField, Exists, Max, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce

from capture_app.models import CUT_SHORT, ExampleIndex, ExampleTag, Feedback, Review
from console.examples import wanted as asked
from console.examples.wanted import Wanted
from training_archive.models import ArchivedChunk, ArchivedGeneration

FEW: Final = 2_000  # examples that can be sorted for one page
MIDDLE: Final = 0.5  # what people rate lower is low: a verdict counts 0 or 1

Judgments = QuerySet[Any]

# Filter -> column. The first one that is set leads; provider has no index.
_COLUMNS: Final = {
    "cut_short": "finish_reason",
    "partial": "is_partial",
    "task": "task",
    "model": "model_name",
    "tools": "has_tools",
    "provider": "provider",
}
_INDEXED: Final = ("cut_short", "partial", "task", "model", "tools")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """They say the same in two ways."""

    lead: Q  # along an index, in the order of time
    rest: Q | None  # what has to be met besides; None: nothing
    all_but_span: Q  # without an index; the time is not in it
    few: list[str] | None  # ids among which all are that can be wanted; None: these may be many


def index() -> QuerySet[ExampleIndex]:
    """The index, with an alias for each column that is filtered by."""
    names = ("finish_reason", "task", "model_name", "provider")
    texts = {f"_{column}": Coalesce(column, Value(""), output_field=TextField()) for column in names}
    flags = {f"_{column}": Coalesce(column, Value(False)) for column in ("is_partial", "has_tools")}
    return ExampleIndex.objects.order_by().alias(**texts, **flags)


def conditions_of(wanted: Wanted) -> Conditions:
    """What the filters ask; not what is searched for."""
    set_filters = [name for name in _COLUMNS if getattr(wanted, name)]
    leading = next((name for name in _INDEXED if name in set_filters), None)
    others = [*_place_conditions(wanted)]
    said = _said(wanted)
    few = next((ids for ids in map(_ids_if_few, said) if ids is not None), None)
    others += [Q(Exists(rows.filter(example_id=OuterRef("pk")))) for rows in said]
    if wanted.review == asked.NOT_JUDGED:
        judged = Review.objects.exclude(verdict="", correction="")
        others.append(~Q(Exists(judged.filter(example_id=OuterRef("pk")))))
    rest = [_without_index(name, wanted) for name in set_filters if name != leading] + others
    everything = [_without_index(name, wanted) for name in set_filters] + others
    return Conditions(
        lead=span_condition(wanted) & (_with_index(leading, wanted) if leading else Q()),
        rest=reduce(and_, rest) if rest else None,
        all_but_span=reduce(and_, everything, Q()),
        few=few,
    )


def span_condition(wanted: Wanted) -> Q:
    """The time that is wanted. Archived examples are not newer than the newest one in a chunk."""
    condition = Q()
    if wanted.span:
        condition &= Q(created_at__gte=wanted.span[0], created_at__lt=wanted.span[1])
    if wanted.place == asked.ARCHIVED:
        last = ArchivedChunk.objects.aggregate(last=Max("last_created_at"))["last"]
        condition &= Q(created_at__lte=last) if last else Q()
    return condition


def _with_index(name: str, wanted: Wanted) -> Q:
    if name == "cut_short":
        # In the words of the index: SQLite does not see that parameters say the same.
        reasons = ", ".join(f"'{reason}'" for reason in CUT_SHORT)
        said = f"finish_reason IN ({reasons})"
        return Q(RawSQL(said, (), output_field=BooleanField()))  # noqa: S611  (the reasons are constants of ours)
    return Q(**{_COLUMNS[name]: _value(name, wanted)})


def _without_index(name: str, wanted: Wanted) -> Q:
    if name == "cut_short":
        return Q(_finish_reason__in=CUT_SHORT)
    return Q(**{f"_{_COLUMNS[name]}": _value(name, wanted)})


def _value(name: str, wanted: Wanted) -> Any:
    return True if name in ("partial", "tools") else getattr(wanted, name)


def _place_conditions(wanted: Wanted) -> list[Q]:
    if not wanted.place:
        return []
    archived = Q(Exists(ArchivedGeneration.objects.filter(pk=OuterRef("generation"))))
    return [archived if wanted.place == asked.ARCHIVED else ~archived]


def _said(wanted: Wanted) -> list[Judgments]:
    """What people must have said of an example, in each of these."""
    said: list[Judgments] = []
    if wanted.review == asked.CORRECTED:
        said.append(Review.objects.exclude(correction=""))
    elif wanted.review in Review.Verdict.values:
        said.append(Review.objects.filter(verdict=wanted.review))
    if wanted.rating:
        low, high = Q(score__lt=MIDDLE), Q(score__gte=MIDDLE)
        rated = {asked.LOW: low, asked.HIGH: high, asked.RATED: Q(score__isnull=False)}
        said.append(Feedback.objects.filter(rated[wanted.rating]))
    if wanted.tag:
        said.append(ExampleTag.objects.filter(tag=wanted.tag))
    return said


def _ids_if_few(rows: Judgments) -> list[str] | None:
    """Of what they are said; None when it is said of too many to sort them here."""
    ids = list(rows.order_by().values_list("example_id", flat=True)[: FEW + 1])
    return list(dict.fromkeys(ids)) if len(ids) <= FEW else None
