"""All that a report tells of a month. Plain values: they are its JSON, too."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q

from capture_app.progress import Progress, silent
from continuous_training.housekeeping.report.budgets import BudgetUse, Noted, budgets_of, noted_of
from continuous_training.housekeeping.report.calls import Answerer, Calls, MonthOfCalls, calls_of
from continuous_training.housekeeping.report.months import Month
from continuous_training.housekeeping.report.quality import Compared, Judged, comparisons_of, judgments_of
from continuous_training.housekeeping.report.savings import Savings, savings_of
from continuous_training.models import Promotion, TrainingRun


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """A training run that was asked for, or ended, in the month."""

    id: str
    task: str
    trainer: str
    base_model: str
    state: str
    pairs: int | None
    seconds: float | None  # from its start to its end
    cost_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionFacts:
    """A promotion that was proposed, decided or ended in the month."""

    task: str
    model: str  # provider/model
    state: str
    proposed_at: datetime
    decided_by: str
    reason: str  # of the decision, or of the end


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthFacts:
    """All of it."""

    month: Month
    made_at: datetime
    calls: MonthOfCalls
    comparisons: list[Compared]
    judgments: list[Judged]
    savings: Savings
    budgets: list[BudgetUse]
    noted: list[Noted]
    runs: list[RunFacts]
    promotions: list[PromotionFacts]

    @property
    def is_empty(self) -> bool:
        told = (self.calls.by_answerer, self.comparisons, self.judgments, self.noted, self.runs, self.promotions)
        return not any(told)

    @property
    def is_over(self) -> bool:
        return self.made_at >= self.month.ends_at

    def as_json(self) -> dict[str, Any]:
        return {
            "month": self.month.name,
            "begins_at": self.month.begins_at,
            "ends_at": self.month.ends_at,
            "made_at": self.made_at,
            "is_over": self.is_over,
            "is_empty": self.is_empty,
            "calls": {
                "total": _calls(self.calls.total()),
                "by_model": [{**who._asdict(), **_calls(found)} for who, found in _ordered(self.calls)],
                "by_day": {"calls_by_task": self.calls.calls_by_day, "usd_by_model": self.calls.cost_by_day},
            },
            "quality": {
                "evaluations": [asdict(each) for each in self.comparisons],
                "judgments": [asdict(each) for each in self.judgments],
            },
            "savings": {
                **asdict(self.savings),
                "models": [{**asdict(each), "saved_usd": each.saved_usd} for each in self.savings.models],
                "net_usd": self.savings.net_usd,
            },
            "budgets": [{**asdict(each), "percent": each.percent} for each in self.budgets],
            "noted_spend": [asdict(each) for each in self.noted],
            "runs": [asdict(each) for each in self.runs],
            "promotions": [asdict(each) for each in self.promotions],
        }


def _ordered(calls: MonthOfCalls) -> list[tuple[Answerer, Calls]]:
    return sorted(calls.by_answerer.items())


def _calls(found: Calls) -> dict[str, Any]:
    figures = ("calls", "input_tokens", "output_tokens", "untold", "cost_usd", "uncosted")
    latency = {f"latency_ms_p{percent}": found.percentile(percent) for percent in (50, 95)}
    return {**{name: getattr(found, name) for name in figures}, **latency}


def facts_of(month: Month, *, progress: Progress = silent) -> MonthFacts:
    calls = calls_of(month, progress)
    return MonthFacts(
        month=month,
        made_at=datetime.now(UTC),
        calls=calls,
        comparisons=comparisons_of(month),
        judgments=judgments_of(month),
        savings=savings_of(month, calls),
        budgets=budgets_of(month),
        noted=noted_of(month),
        runs=[_run(run) for run in TrainingRun.objects.filter(_within(month, "requested_at", "finished_at"))],
        promotions=[
            _promotion(promotion)
            for promotion in Promotion.objects.filter(_within(month, "proposed_at", "decided_at", "ended_at"))
        ],
    )


def _within(month: Month, *moments: str) -> Q:
    found = Q()
    for name in moments:
        found |= Q(**{f"{name}__gte": month.begins_at, f"{name}__lt": month.ends_at})
    return found


def _run(run: TrainingRun) -> RunFacts:
    took = (run.finished_at - run.started_at).total_seconds() if run.finished_at and run.started_at else None
    return RunFacts(
        id=run.pk,
        task=run.task,
        trainer=run.trainer,
        base_model=run.base_model,
        state=run.state,
        pairs=run.data.get("pairs"),
        seconds=took,
        cost_usd=run.cost_usd,
    )


def _promotion(promotion: Promotion) -> PromotionFacts:
    return PromotionFacts(
        task=promotion.task,
        model=f"{promotion.provider}/{promotion.model_name}",
        state=promotion.state,
        proposed_at=promotion.proposed_at,
        decided_by=promotion.ended_by or promotion.decided_by,
        reason=promotion.ended_why or promotion.reason,
    )
