"""How good the month's answers were: by evaluations, by ratings of applications, by verdicts of people."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Avg, Count, Q

from capture_app.models import Feedback, Review
from continuous_training.evaluation.metrics import Metrics
from continuous_training.evaluation.statistics import Interval
from continuous_training.housekeeping.report.months import Month
from continuous_training.models import Evaluation

_WHO = ("example__task", "example__provider", "example__model_name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """An evaluation that was finished in the month."""

    id: str
    task: str
    candidate: str  # provider/model
    incumbent: str  # "" where nothing answered the task
    items: int
    scorer: str  # the one that decides
    candidate_score: float  # 0 to 1
    incumbent_score: float | None
    gain: dict[str, float] | None  # mean, low, high


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What was said in the month of one model's answers to one task, as far as the index knows the examples."""

    task: str
    provider: str
    model: str
    ratings: int
    mean_rating: float | None  # on the scale of whoever rates
    good: int  # verdicts of people
    bad: int


def comparisons_of(month: Month) -> list[Compared]:
    done = Evaluation.objects.filter(
        state=Evaluation.State.DONE, finished_at__gte=month.begins_at, finished_at__lt=month.ends_at
    )
    return [_compared(each) for each in done.order_by("task", "finished_at") if each.metrics]


def _compared(evaluation: Evaluation) -> Compared:
    metrics = Metrics.from_json(evaluation.metrics)
    gain: Interval | None = metrics.gain
    return Compared(
        id=evaluation.pk,
        task=evaluation.task,
        candidate=f"{evaluation.candidate_provider}/{evaluation.candidate_model}",
        incumbent=f"{evaluation.incumbent_provider}/{evaluation.incumbent_model}" if metrics.incumbent else "",
        items=metrics.items,
        scorer=metrics.scorers[0],
        candidate_score=metrics.candidate.score,
        incumbent_score=metrics.incumbent.score if metrics.incumbent else None,
        gain={"mean": gain.mean, "low": gain.low, "high": gain.high} if gain else None,
    )


def judgments_of(month: Month) -> list[Judged]:
    """By task and model, in their order."""
    rated = _grouped(
        Feedback.objects.filter(created_at__gte=month.begins_at, created_at__lt=month.ends_at, score__isnull=False),
        ratings=Count("pk"),
        mean_rating=Avg("score"),
    )
    reviewed = _grouped(
        Review.objects.filter(reviewed_at__gte=month.begins_at, reviewed_at__lt=month.ends_at).exclude(verdict=""),
        good=Count("pk", filter=Q(verdict=Review.Verdict.GOOD)),
        bad=Count("pk", filter=Q(verdict=Review.Verdict.BAD)),
    )
    return list(_joined(rated, reviewed))


_Found = dict[tuple[str, str, str], dict[str, Any]]


def _grouped(rows: Any, **figures: Any) -> _Found:
    """By task, provider and model."""
    found = rows.order_by().values(*_WHO).annotate(**figures)
    return {
        (each["example__task"], each["example__provider"], each["example__model_name"]): {
            name: each[name] for name in figures
        }
        for each in found
    }


def _joined(rated: _Found, reviewed: _Found) -> Iterator[Judged]:
    nothing = {"ratings": 0, "mean_rating": None, "good": 0, "bad": 0}
    for key in sorted({*rated, *reviewed}):
        task, provider, model = key
        figures = {**nothing, **rated.get(key, {}), **reviewed.get(key, {})}
        yield Judged(task=task, provider=provider, model=model, **figures)
