"""All that the dashboard shows, gathered once per page."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from django.http import HttpRequest

from capture_app.inbox import get_inbox
from capture_app.models import ExampleIndex, Job
from console.figures.breakdown import Breakdown, breakdowns
from console.figures.cards import Card, State, list_url, safely
from console.figures.charts import Chart, cost_chart, examples_chart, growth_chart, latency_chart, tokens_chart
from console.figures.growth import read_growth
from console.figures.now import cards
from console.figures.numbers import moment
from console.figures.reading import Figures, read_figures
from console.figures.refresh import FIGURES
from console.figures.selection import RANGES, Selection, read_selection

_LATE: Final = timedelta(minutes=15)  # refreshes run every five


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """What the template shows."""

    cards: list[Card]
    selection: Selection
    ranges: dict[int, str]
    suggested_tasks: list[str]
    suggested_models: list[str]
    charts: list[Chart]
    breakdowns: list[Breakdown]
    growth: Chart | None  # None: there is no archive yet
    advice: str  # "", or which empty state this is: `no-calls`, `undrained`, `uncounted` or `nothing-selected`
    freshness: str  # as of when the figures are
    remarks: list[str]  # what a reader must know to read them right


def dashboard(request: HttpRequest) -> Dashboard:
    """The whole of it, for the user and the query string of the request. Takes no lock and writes nothing."""
    now = datetime.now(UTC)
    jobs = {job.name: job for job in Job.objects.all()}
    selection = read_selection(request.GET, now.date())
    figures = read_figures(selection)
    growth = read_growth(figures.dates)
    return Dashboard(
        cards=[replace(card, url=list_url(request, card.about)) for card in cards(jobs, now)],
        selection=selection,
        ranges=RANGES,
        suggested_tasks=figures.suggested_tasks,
        suggested_models=figures.suggested_models,
        charts=_charts(figures) if figures.sum.examples else [],
        breakdowns=breakdowns(figures, selection),
        growth=growth_chart(figures.dates, growth) if growth else None,
        advice="" if figures.sum.examples else _advice(figures),
        freshness=_freshness(figures),
        remarks=[*selection.ignored, *_remarks(figures, now)],
    )


def _charts(figures: Figures) -> list[Chart]:
    return [examples_chart(figures), tokens_chart(figures), cost_chart(figures), latency_chart(figures)]


def _advice(figures: Figures) -> str:
    """Why there is nothing to show, and so what to do."""
    if ExampleIndex.objects.order_by().exists():
        return "nothing-selected" if figures.is_live or figures.counted_at else "uncounted"
    waits = safely("Inbox", lambda: Card(title="Inbox", figure=str(get_inbox().depth().bytes)))
    return "undrained" if waits.state is State.OK and waits.figure != "0" else "no-calls"


def _freshness(figures: Figures) -> str:
    if figures.counted_at is None:
        return "Counted just now." if figures.is_live else "Not counted yet."
    counted = f"Counted at {moment(figures.counted_at)}"
    return f"{counted}; the newest days just now." if figures.is_live else f"{counted}."


def _remarks(figures: Figures, now: datetime) -> list[str]:
    remarks = []
    if not figures.is_live and (figures.counted_at is None or now - figures.counted_at > _LATE):
        remarks.append(
            "The newest days are too large to be counted while you wait, and nothing counts them in the background. "
            f"Start Celery beat and a worker, or run `manage.py refresh_{FIGURES}`."
        )
    if figures.cut_days:
        remarks.append(
            f"On {figures.cut_days:,} of these days there were more names than are counted one by one (200 tasks, 50 "
            "models, the most frequent of a day); the rest is in “others”."
        )
    if figures.sum.examples and figures.sum.priced < figures.sum.examples:
        share = figures.sum.priced / figures.sum.examples
        remarks.append(
            f"The cost of {share:.0%} of these calls is known; PRICES in TRAINING_CAPTURE names what models cost."
        )
    return remarks
