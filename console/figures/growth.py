"""How the archive grew."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import accumulate

from django.db.models import Sum

from training_archive.models import ArchivedChunk


@dataclass(frozen=True, slots=True)
class Growth:
    """By day (UTC): chunks that came on it, and what all chunks up to it add up to."""

    chunks: dict[date, int]
    rows: dict[date, int]
    sizes: dict[date, int]  # bytes


def read_growth(dates: Sequence[date]) -> Growth | None:
    """Of the chunks that are in the archive now, by the day on which they came into it; None when there is none.

    A merged chunk came when it was merged, and one that was pruned never.
    """
    start = datetime(dates[0].year, dates[0].month, dates[0].day, tzinfo=UTC)
    before = ArchivedChunk.objects.filter(archived_at__lt=start).aggregate(rows=Sum("rows"), size=Sum("size"))
    chunks: Counter[date] = Counter()
    rows: Counter[date] = Counter({dates[0]: before["rows"] or 0})
    sizes: Counter[date] = Counter({dates[0]: before["size"] or 0})
    for archived_at, row_count, size in ArchivedChunk.objects.filter(archived_at__gte=start).values_list(
        "archived_at", "rows", "size"
    ):
        day = archived_at.astimezone(UTC).date()
        chunks[day] += 1
        rows[day] += row_count
        sizes[day] += size
    if not chunks and before["rows"] is None:
        return None
    return Growth(chunks, _added_up(dates, rows), _added_up(dates, sizes))


def _added_up(dates: Sequence[date], by_day: Counter[date]) -> dict[date, int]:
    return dict(zip(dates, accumulate(by_day[day] for day in dates), strict=True))
