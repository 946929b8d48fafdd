"""When a model only shadowed a task: it was asked as well, and its answers were used by nobody.

The index does not tell such calls from others; the history of the routes does.
"""

from bisect import bisect_right
from collections import defaultdict
from datetime import datetime
from typing import Any

from capture_app.models import RouteChange
from capture_app.routing.config import Target, WrongRoute, parse_route
from continuous_training.housekeeping.report.months import Month


class Shadows:
    """Who shadowed which task when, until the end of a month."""

    def __init__(self, month: Month) -> None:
        self._times: defaultdict[str, list[datetime]] = defaultdict(list)  # by task: of its changes
        self._shadows: defaultdict[str, list[Target | None]] = defaultdict(list)  # from then on
        changes = RouteChange.objects.filter(changed_at__lt=month.ends_at).order_by("route", "version")
        for task, changed_at, after in changes.values_list("route", "changed_at", "after"):
            self._times[task].append(changed_at)
            self._shadows[task].append(_only_shadow(after))

    def had(self, task: str, target: Target, moment: datetime) -> bool:
        """Whether all that the target did for the task at that moment was to shadow it."""
        times = self._times.get(task)
        if not times:
            return False
        place = bisect_right(times, moment) - 1
        return place >= 0 and self._shadows[task][place] == target


def _only_shadow(said: Any) -> Target | None:
    """The shadow of a route, unless it answers, too."""
    try:
        config = parse_route(said) if said else None
    except WrongRoute:  # by another release
        return None
    if config is None or config.shadow is None:
        return None
    answering = {share.target for share in config.shares if share.weight} | {config.fallback, config.vision}
    return None if config.shadow in answering else config.shadow
