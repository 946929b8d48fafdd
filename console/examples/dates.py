"""The way from years to months to days, above the list. Only the first and the last example's times are asked for."""

from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from django.http import QueryDict

from capture_app.models import ExampleIndex
from console.examples.sidebar import link
from console.examples.wanted import Wanted

_MOST = 60  # years


@dataclass(frozen=True, slots=True)
class DateLinks:
    """As the admin's template for dates has it: one step back, and the steps from here."""

    back: dict[str, str] | None
    choices: list[dict[str, str]]
    show: bool = True


def date_links(wanted: Wanted, query: QueryDict) -> DateLinks | None:
    """None: there is nothing to go by."""
    span = _span()
    if span is None:
        return None
    year, month, day = wanted.year, wanted.month, wanted.day
    if day:
        here = datetime(year, month, day, tzinfo=UTC)
        back = {"link": link(query, day=""), "title": f"{here:%B %Y}"}
        return DateLinks(back, [{"title": f"{here:%B} {day}"}])
    if month:
        return DateLinks({"link": link(query, month=""), "title": str(year)}, _days(year, month, span, query))
    if year:
        return DateLinks({"link": link(query, year=""), "title": "All dates"}, _months(year, span, query))
    years = range(span[0].year, span[1].year + 1)[-_MOST:]
    return DateLinks(None, [{"link": link(query, year=str(each)), "title": str(each)} for each in years])


def _span() -> tuple[datetime, datetime] | None:
    times = ExampleIndex.objects.values_list("created_at", flat=True)
    first, last = times.order_by("created_at", "id").first(), times.order_by("-created_at", "-id").first()
    return (first, last) if first and last else None


def _months(year: int, span: tuple[datetime, datetime], query: QueryDict) -> list[dict[str, str]]:
    begins = (datetime(year, month, 1, tzinfo=UTC) for month in range(1, 13))
    return [
        {"link": link(query, month=str(begin.month)), "title": f"{begin:%B %Y}"}
        for begin in _between(begins, span[0].replace(day=1), span[1])
    ]


def _days(year: int, month: int, span: tuple[datetime, datetime], query: QueryDict) -> list[dict[str, str]]:
    begins = (datetime(year, month, day, tzinfo=UTC) for day in range(1, monthrange(year, month)[1] + 1))
    return [
        {"link": link(query, day=str(begin.day)), "title": f"{begin:%B} {begin.day}"}
        for begin in _between(begins, span[0], span[1])
    ]


def _between(begins: Iterable[datetime], first: datetime, last: datetime) -> list[datetime]:
    earliest = first.replace(hour=0, minute=0, second=0, microsecond=0)
    return [begin for begin in begins if earliest <= begin <= last]
