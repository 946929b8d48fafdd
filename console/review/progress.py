"""How far the reviewers are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Final

from django.db.models import Count, Q

from capture_app.models import ExampleIndex
from capture_app.shown import short
from console.review.conditions import judged
from console.review.queue import User

COUNTED: Final = 10_000  # the newest judgments; more would cost more than the page that shows them
_TASKS: Final = 20


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """Judgments of the examples of one task."""

    task: str  # fit to be shown
    today: int
    total: int


@dataclass(frozen=True, slots=True)
class ReviewProgress:
    """Judgments that were given. A day is one in UTC."""

    today: int
    own_today: int
    total: int  # COUNTED: so many or more
    tasks: Sequence[TaskProgress]  # the busiest of today first
    other_tasks: int  # that have no row of their own

    @property
    def is_cut(self) -> bool:
        return self.total >= COUNTED


def review_progress(user: User) -> ReviewProgress:
    """Among the newest COUNTED judgments."""
    today = Q(review__reviewed_at__gte=datetime.combine(datetime.now(UTC).date(), time.min, UTC))
    rows = (
        ExampleIndex.objects.order_by()
        .filter(pk__in=judged().order_by("-reviewed_at").values("pk")[:COUNTED])
        .values("task")
        .annotate(
            total=Count("pk"),
            today=Count("pk", filter=today),
            own=Count("pk", filter=today & Q(review__reviewed_by=user.get_username())),
        )
    )
    counts = sorted(rows, key=lambda row: (-row["today"], -row["total"], row["task"]))
    tasks = [TaskProgress(short(row["task"]), row["today"], row["total"]) for row in counts]
    own = sum(row["own"] for row in counts)
    return ReviewProgress(
        sum(task.today for task in tasks), own, sum(task.total for task in tasks), tasks[:_TASKS], len(tasks[_TASKS:])
    )
