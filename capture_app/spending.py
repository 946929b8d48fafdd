"""What tasks have cost, beside what they may: sums over captured calls and over money that was noted. See budgets."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.core.signals import setting_changed
from django.db import router, transaction
from django.db.models import Count, Q, QuerySet, Sum, Value
from django.db.models.functions import Substr

from capture_app.conf import SETTING, capture_settings
from capture_app.models import ExampleIndex, Spend

DAY: Final = "DAY"
MONTH: Final = "MONTH"

# What was added up stands for so long, in seconds; longer where adding up takes long, so that it costs 5 % of the time.
_SHORTEST: Final = 5.0
_SETTLED: Final = 600.0
_TIMES_AS_LONG: Final = 20

_DIGITS: Final = 8  # after the point: ten times 0.1 USD are 1 USD


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What tasks cost in a span of time."""

    calls_usd: float  # of captured calls
    noted_usd: float  # by note_spend
    uncosted_calls: int  # captured calls of which nobody knows what they cost: they count as nothing

    @property
    def usd(self) -> float:
        return round(self.calls_usd + self.noted_usd, _DIGITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetState:
    """One budget in one of its days or months."""

    tasks: str  # as in BUDGETS
    period: str  # DAY or MONTH
    begins_at: datetime  # aware
    ends_at: datetime  # when it frees up
    limit_usd: float
    spending: Spending

    @property
    def percent(self) -> float:
        """How much of it is spent; of a limit of 0, all."""
        return 100 * self.spending.usd / self.limit_usd if self.limit_usd else 100.0

    @property
    def is_spent(self) -> bool:
        return self.spending.usd >= self.limit_usd


def covers(tasks: str, task: str) -> bool:
    """Whether a name in BUDGETS names the task."""
    return task.startswith(tasks[:-1]) if tasks.endswith("*") else tasks == task


def budget_states(*, task: str | None = None, at: datetime | None = None) -> list[BudgetState]:
    """The budgets that name the task (default: all) in the day and month of `at` (aware; default: now).

    In the order of BUDGETS; the sums are some seconds old at most, and as of the last drain.
    """
    names = [tasks for tasks in capture_settings().budgets if task is None or covers(tasks, task)]
    moment = at or datetime.now(UTC)
    return [state for tasks in names for state in _states(tasks, moment)]


def _states(tasks: str, moment: datetime) -> Iterator[BudgetState]:
    for period, limit in capture_settings().budgets[tasks].items():
        begins_at, ends_at = bounds(period, moment)
        yield BudgetState(
            tasks=tasks,
            period=period,
            begins_at=begins_at,
            ends_at=ends_at,
            limit_usd=limit,
            spending=_spending_in(tasks, begins_at, ends_at),
        )


def bounds(period: str, moment: datetime) -> tuple[datetime, datetime]:
    """The beginning of the day or month of `moment` (aware), in UTC, and of the next one."""
    midnight = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == DAY:
        return midnight, midnight + timedelta(days=1)
    first = midnight.replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1)


# --- Sums ------------------------------------------------------------------------------------------------------------

_known: dict[tuple[str, datetime, datetime], tuple[float, Spending]] = {}  # until when it stands, by time.monotonic


def _spending_in(tasks: str, begins_at: datetime, ends_at: datetime) -> Spending:
    """Added up lately. What is older than yesterday hardly changes any more, and is added up seldom."""
    yesterday = bounds(DAY, datetime.now(UTC))[0] - timedelta(days=1)
    cut = min(ends_at, max(begins_at, yesterday))
    parts = ((begins_at, cut, _SETTLED), (cut, ends_at, _SHORTEST))
    found = [_standing(tasks, first, last, stands) for first, last, stands in parts if first < last]
    return Spending(
        calls_usd=sum(part.calls_usd for part in found),
        noted_usd=sum(part.noted_usd for part in found),
        uncosted_calls=sum(part.uncosted_calls for part in found),
    )


def _standing(tasks: str, begins_at: datetime, ends_at: datetime, stands: float) -> Spending:
    key, now = (tasks, begins_at, ends_at), time.monotonic()
    until, found = _known.get(key, (0.0, None))
    if found is None or now >= until:
        found = spending_of(tasks, begins_at, ends_at)
        took = time.monotonic() - now
        for past in [other for other, (end, _) in list(_known.items()) if end <= now]:
            _known.pop(past, None)
        _known[key] = now + took + max(stands, _TIMES_AS_LONG * took), found
    return found


def spending_of(tasks: str, begins_at: datetime, ends_at: datetime) -> Spending:
    """What the tasks, named as in BUDGETS, cost from `begins_at` until before `ends_at`."""
    calls = _of(tasks, ExampleIndex.objects.filter(created_at__gte=begins_at, created_at__lt=ends_at))
    noted = _of(tasks, Spend.objects.filter(spent_at__gte=begins_at, spent_at__lt=ends_at))
    sums = calls.aggregate(usd=Sum("cost_usd"), uncosted=Count("pk", filter=Q(cost_usd=None)))
    return Spending(
        calls_usd=sums["usd"] or 0.0,
        noted_usd=noted.aggregate(usd=Sum("usd"))["usd"] or 0.0,
        uncosted_calls=sums["uncosted"],
    )


def _of(tasks: str, rows: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
    """Those of the tasks. Not by LIKE, which takes "Shop" for "shop" in SQLite."""
    beginning = tasks.removesuffix("*")
    if beginning == tasks:
        return rows.filter(task=tasks)
    if not beginning:
        return rows
    found: QuerySet[Any, Any] = rows.alias(beginning=Substr("task", 1, len(beginning))).filter(
        beginning=Value(beginning)
    )
    return found


def _forget_sums(*, setting: str, **kwargs: Any) -> None:
    if setting == SETTING:
        _known.clear()


setting_changed.connect(_forget_sums, dispatch_uid="capture_app.spending")


def note_spend(task: str, usd: float, *, purpose: str, key: str) -> None:
    """Count money that went where no captured call tells of it. `key` names the one thing that was paid for.

    Noted again under its key it counts once: with the amount that was noted last, at the time of the first.
    """
    facts = {"task": task, "purpose": purpose, "usd": usd}
    with transaction.atomic(using=router.db_for_write(Spend)):
        Spend.objects.update_or_create(
            key=key, defaults=facts, create_defaults={**facts, "spent_at": datetime.now(UTC)}
        )
    _known.clear()
