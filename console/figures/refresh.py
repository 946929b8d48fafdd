"""Keeping DailyFigure in step with the index, without a word from whoever changes the index.

The drain writes nothing here, so figures cost it nothing. A refresh looks at every day of the window instead: how many
index rows it has, and a checksum over their times, both read from one index of the database. Where they are not what
they were, whatever the reason, the day is counted anew. Rows that were replaced by others of the same times escape that
(a rebuild with other prices, say), so each refresh also counts the one day anew that was counted longest ago: with a
refresh every five minutes, the whole window takes thirty hours.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import BigIntegerField, Count, F, Func, Sum
from django.db.models.functions import Coalesce

from capture_app.conf import capture_settings
from capture_app.exceptions import LiveDatabaseError
from capture_app.jobs import job, only_run
from capture_app.live_database import lock_live_database
from capture_app.models import ExampleIndex
from capture_app.progress import Progress, silent
from console.figures.counting import DayTallies, count_rows, index_rows, stored
from console.models import DailyFigure, FiguredDay

FIGURES: Final = "figures"  # the job's name
WINDOW: Final = 366  # days that are kept, today among them: what a dashboard can show, and the day that leaves it
# Names of one day that have figures of their own, the most frequent ones.
MOST_TASKS: Final = 200
MOST_MODELS: Final = 50

LIVE_ROWS, LIVE_ROWS_AT = "live_rows", "live_rows_at"  # keys of the job's notes

_EXAMPLES_AT_ONCE: Final = 10_000
_FACTS: Final = ["examples", "checksum", "is_cut", "counted_at"]  # of FiguredDay
_LOCK_TIMEOUT: Final = 1.0  # seconds; the count can wait for the next refresh


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshReport:
    """What a refresh did."""

    days: int  # that were counted anew
    examples: int  # in them
    seconds: float


@dataclass(frozen=True, slots=True)
class _Fingerprint:
    """What can be told of a day's index rows without reading them."""

    examples: int
    checksum: int


class _WithinTheHour(Func):
    """The part of a time below the hour, in some whole number of the database's own."""

    output_field = BigIntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        # Kept as `2026-11-21 05:00:00.123456`; functions for dates would be called in Python, a million times.
        template = "CAST(substr(replace(replace(%(expressions)s, ':', ''), '.', ''), 14) AS INTEGER)"
        return self.as_sql(compiler, connection, template=template, **extra)

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        template = "mod((extract(epoch from %(expressions)s) * 1000000)::bigint, 3600000000)"
        return self.as_sql(compiler, connection, template=template, **extra)


def refresh_figures(*, progress: Progress = silent) -> RefreshReport:
    """Bring the figures of the window's days up to date, and note how many rows the live database has.

    Raises JobBusy while another refresh of this host is at work. Those of other hosts do no harm.
    """
    started = time.monotonic()
    with only_run(FIGURES), job(FIGURES) as run:
        run.started()
        days = window(datetime.now(UTC).date())
        changed = _changed(days)
        examples = 0
        for batch in _batches(changed):
            _recount(batch)
            examples += sum(fingerprint.examples for fingerprint in batch.values())
            progress("counting examples", examples, sum(fingerprint.examples for fingerprint in changed.values()))
        _drop_outside(days)
        run.rows = examples
        run.notes = _live_rows()
    return RefreshReport(days=len(changed), examples=examples, seconds=time.monotonic() - started)


def window(today: date) -> list[date]:
    """The days that have figures, oldest first."""
    return [today - timedelta(days=ago) for ago in reversed(range(WINDOW))]


def during(first: date, last: date | None = None) -> dict[str, datetime]:
    """The condition on index rows for a UTC day, or for all days up to another."""
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    end = start + timedelta(days=((last or first) - first).days + 1)
    return {"created_at__gte": start, "created_at__lt": end}


def _changed(days: Iterable[date]) -> dict[date, _Fingerprint]:
    """The days to count, newest first."""
    counted = FiguredDay.objects.in_bulk()
    found = {day: _fingerprint(day) for day in sorted(days, reverse=True)}
    changed = {day for day in found if day not in counted or not _is_still(counted[day], found[day])}
    if longest_ago := _longest_ago(counted, found, changed):
        changed.add(longest_ago)
    return {day: fingerprint for day, fingerprint in found.items() if day in changed}


def _fingerprint(day: date) -> _Fingerprint:
    found = ExampleIndex.objects.filter(**during(day)).aggregate(
        examples=Count("*"), checksum=Coalesce(Sum(_WithinTheHour(F("created_at"))), 0, output_field=BigIntegerField())
    )
    return _Fingerprint(found["examples"], int(found["checksum"]))


def _is_still(counted: FiguredDay, found: _Fingerprint) -> bool:
    return (counted.examples, counted.checksum) == (found.examples, found.checksum)


def _longest_ago(
    counted: Mapping[date, FiguredDay], found: Mapping[date, _Fingerprint], changed: Iterable[date]
) -> date | None:
    unchanged = [day for day, fingerprint in found.items() if fingerprint.examples and day not in changed]
    return min(unchanged, key=lambda day: counted[day].counted_at, default=None)


def _batches(changed: Mapping[date, _Fingerprint]) -> Iterator[dict[date, _Fingerprint]]:
    """Days that are written in one transaction: many that are small, or one that is not."""
    batch: dict[date, _Fingerprint] = {}
    for day, fingerprint in changed.items():
        batch[day] = fingerprint
        if sum(each.examples for each in batch.values()) >= _EXAMPLES_AT_ONCE:
            yield batch
            batch = {}
    if batch:
        yield batch


def _recount(batch: Mapping[date, _Fingerprint]) -> None:
    """Rows that come or go meanwhile make another fingerprint, and so the next refresh counts their day again."""
    days: list[FiguredDay] = []
    figures: list[DailyFigure] = []
    for day, fingerprint in batch.items():
        counted_at = datetime.now(UTC)
        tallies, is_cut = _count(day) if fingerprint.examples else ({}, False)
        days.append(FiguredDay(day=day, is_cut=is_cut, counted_at=counted_at, **asdict(fingerprint)))
        figures += stored(day, tallies)
    with transaction.atomic():
        # First, so that another refresh of these days waits here for this one, and so that SQLite is asked for its lock
        # at once: it gives a transaction that began with reading no second chance.
        FiguredDay.objects.bulk_create(days, update_conflicts=True, unique_fields=["day"], update_fields=_FACTS)
        DailyFigure.objects.filter(day__in=batch, grouping__in=DailyFigure.Grouping.values).delete()
        DailyFigure.objects.bulk_create(figures, batch_size=500)


def _count(day: date) -> tuple[DayTallies, bool]:
    tasks = _most_frequent("task", day, MOST_TASKS)
    models = _most_frequent("model_name", day, MOST_MODELS)
    tallies = count_rows(index_rows(**during(day)), tasks=set(tasks[:MOST_TASKS]), models=set(models[:MOST_MODELS]))
    return tallies, len(tasks) > MOST_TASKS or len(models) > MOST_MODELS


def _most_frequent(field: str, day: date, most: int) -> list[str]:
    """The names, and one more when there are more."""
    named = ExampleIndex.objects.order_by().filter(**during(day)).values_list(field).annotate(number=Count("*"))
    return [name for name, _ in named.order_by("-number", field)[: most + 1]]


def _drop_outside(days: list[date]) -> None:
    for model in (DailyFigure, FiguredDay):
        model._default_manager.exclude(day__range=(days[0], days[-1])).delete()


def _live_rows() -> dict[str, Any]:
    """So that no page needs to open the live database. Empty while it cannot be opened at once."""
    try:
        with lock_live_database(capture_settings().live_database, timeout=_LOCK_TIMEOUT) as live:
            return {LIVE_ROWS: live.count_rows(), LIVE_ROWS_AT: datetime.now(UTC).isoformat()}
    except (LiveDatabaseError, OSError):
        return {}
