"""What was counted of routes, minute by minute in Django's database: for whoever watches a new model."""

from datetime import UTC, datetime, timedelta
from socket import gethostname
from typing import Final

from django.db import router, transaction
from django.db.models import Sum

from capture_app.conf import capture_settings
from capture_app.models import Job, RouteChange, RouteMinute
from capture_app.routing.board import get_board
from capture_app.routing.config import Target, parse_route
from capture_app.routing.outcomes import ANSWERED, FAILED, counter

ROUTES: Final = "routes"  # the job that notes
KEPT: Final = timedelta(days=60)


def note_outcomes() -> None:
    """Note in Django's database what was counted since this was called last. For whoever does so each minute.

    Raises what the board raises; then the next call notes it.
    """
    totals = get_board().counts()
    with transaction.atomic(using=router.db_for_write(RouteMinute)):
        job, _ = Job.objects.select_for_update().get_or_create(name=ROUTES)
        seen: dict[str, int] = job.notes.get(_place(), {})
        minute = datetime.now(UTC).replace(second=0, microsecond=0)
        for route, target in _known_targets():
            names = [counter(route, target, outcome) for outcome in (ANSWERED, FAILED)]
            answered, failed = (_news(totals.get(name, 0), seen.get(name, 0)) for name in names)
            if answered or failed:
                _add(route, target, minute, answered, failed)
        job.notes = {**job.notes, _place(): totals}
        job.save(update_fields=["notes"])
        RouteMinute.objects.filter(minute__lt=minute - KEPT).delete()


def outcomes_since(route: str, target: Target, since: datetime) -> tuple[int, int]:
    """How many of its calls were answered, and how many failed, as far as it is noted."""
    found = RouteMinute.objects.filter(
        route=route, provider=target.provider, model_name=target.model, minute__gte=since
    ).aggregate(answered=Sum("answered"), failed=Sum("failed"))
    return found["answered"] or 0, found["failed"] or 0


def _place() -> str:
    """Where these counts were made: hosts without a Redis in common have a board each."""
    conf = capture_settings()
    return "redis" if conf.redis_url else f"{gethostname()}:{conf.data_dir}"


def _news(total: int, seen: int) -> int:
    """A board that was emptied begins at 0 again."""
    return total - seen if total >= seen else total


def _known_targets() -> set[tuple[str, Target]]:
    """Of the routes as they are and as they were: a call may have ended after its route was changed."""
    found = set()
    for route, *configs in RouteChange.objects.values_list("route", "before", "after"):
        found |= {(route, target) for config in configs if config for target in parse_route(config).targets()}
    return found


def _add(route: str, target: Target, minute: datetime, answered: int, failed: int) -> None:
    row, _ = RouteMinute.objects.select_for_update().get_or_create(
        route=route, provider=target.provider, model_name=target.model, minute=minute
    )
    row.answered += answered
    row.failed += failed
    row.save(update_fields=["answered", "failed"])
