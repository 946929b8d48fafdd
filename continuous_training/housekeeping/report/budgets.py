"""What the month left of each budget, as BUDGETS has it now."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Sum

from capture_app.conf import capture_settings
from capture_app.models import BudgetAlert, Spend
from capture_app.spending import DAY, Spending, spending_of
from continuous_training.housekeeping.report.months import Month


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetUse:
    """One budget in the month. Of a day's budget it is the day that cost most."""

    tasks: str  # as in BUDGETS
    period: str  # DAY or MONTH
    limit_usd: float
    spent_usd: float
    times_spent: int  # how often all of it was spent: in how many of the days, or 1
    uncosted_calls: int  # in the whole month: of unknown cost, which counts as nothing
    alerts: int

    @property
    def percent(self) -> float:
        return 100 * self.spent_usd / self.limit_usd if self.limit_usd else 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """Money that went where no captured call tells of it."""

    task: str
    purpose: str
    usd: float


def budgets_of(month: Month) -> list[BudgetUse]:
    """In the order of BUDGETS."""
    return [
        _used(month, tasks, period, limit)
        for tasks, budget in capture_settings().budgets.items()
        for period, limit in budget.items()
    ]


def _used(month: Month, tasks: str, period: str, limit: float) -> BudgetUse:
    spans = (
        [(day, day + timedelta(days=1)) for day in month.days()]
        if period == DAY
        else [(month.begins_at, month.ends_at)]
    )
    found: list[Spending] = [spending_of(tasks, *span) for span in spans]
    alerts = BudgetAlert.objects.filter(
        tasks=tasks, period=period, begins_at__gte=month.begins_at, begins_at__lt=month.ends_at
    )
    return BudgetUse(
        tasks=tasks,
        period=period,
        limit_usd=limit,
        spent_usd=max(each.usd for each in found),
        times_spent=sum(each.usd >= limit for each in found),
        uncosted_calls=sum(each.uncosted_calls for each in found),
        alerts=alerts.count(),
    )


def noted_of(month: Month) -> list[Noted]:
    """By task and purpose."""
    rows = Spend.objects.filter(spent_at__gte=month.begins_at, spent_at__lt=month.ends_at)
    found = rows.order_by("task", "purpose").values("task", "purpose").annotate(sum=Sum("usd"))
    return [Noted(task=each["task"], purpose=each["purpose"], usd=each["sum"]) for each in found]
