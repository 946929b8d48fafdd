"""Figures that are read when somebody asks for them: what waits where, and what each job did last.

A source takes no lock and costs the same however much waits. Apps above this one add sources of their own.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from capture_app.conf import capture_settings
from capture_app.inbox import get_inbox
from capture_app.models import Job
from capture_app.quarantine import count_quarantined
from capture_app.spending import budget_states

logger = logging.getLogger("capture_app")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """One figure at this moment, named as Prometheus wants it: with its unit."""

    name: str
    help: str
    value: float
    job: str = ""  # the job that it is about, if any
    labels: Mapping[str, str] = field(default_factory=dict)  # what else tells it from others of its name

    @property
    def all_labels(self) -> Mapping[str, str]:
        return {"job": self.job, **self.labels} if self.job else self.labels


Source = Callable[[], Iterable[Gauge]]

_sources: dict[str, Source] = {}
_failing: set[str] = set()


def register_gauges(source: Source) -> Source:
    """Have `source` asked too. May raise anything: then its figures are left out of that answer."""
    _sources[f"{source.__module__}.{source.__qualname__}"] = source
    return source


def read_gauges() -> Iterator[Gauge]:
    """The figures of every source that answers."""
    for name, source in _sources.items():
        try:
            yield from list(source())
        except Exception as error:  # a database, a Redis or a disk may be away: the rest is wanted all the more
            _note_failure(name, error)
        else:
            _failing.discard(name)


def _note_failure(name: str, error: Exception) -> None:
    if name not in _failing:  # asked every few seconds, it is said once until it works again
        _failing.add(name)
        logger.warning("The figures of %s are missing from /metrics for now.", name, exc_info=error)


@register_gauges
def inbox() -> Iterator[Gauge]:
    depth = get_inbox().depth()
    age = (datetime.now(UTC) - depth.oldest_at).total_seconds() if depth.oldest_at else 0.0
    yield Gauge(name="gleaner_inbox_bytes", help="Bytes that wait to be drained.", value=depth.bytes)
    yield Gauge(
        name="gleaner_inbox_oldest_age_seconds",
        help="Age of the record that waits longest; 0 when none waits.",
        value=max(age, 0.0),
    )


@register_gauges
def quarantine() -> Iterator[Gauge]:
    yield Gauge(
        name="gleaner_quarantined_records",
        help="Records in quarantine, because they could not be stored.",
        value=count_quarantined(capture_settings().data_dir),
    )


@register_gauges
def live_database() -> Iterator[Gauge]:
    path = capture_settings().live_database
    yield Gauge(
        name="gleaner_live_database_bytes",
        help="Size of the live database.",
        value=path.stat().st_size if path.exists() else 0,
    )


@register_gauges
def jobs() -> Iterator[Gauge]:
    for job in Job.objects.all():
        yield from _job_gauges(job)


def _job_gauges(job: Job) -> Iterator[Gauge]:
    figures = (
        (
            "gleaner_job_last_success_timestamp_seconds",
            "When the job last succeeded, in Unix time.",
            job.last_success_at.timestamp() if job.last_success_at else None,
        ),
        ("gleaner_job_duration_seconds", "How long the job's last finished run took.", job.seconds),
        ("gleaner_job_rows", "Rows that the job's last successful run dealt with.", job.rows),
        ("gleaner_job_failing", "1 when the job's last finished run failed, else 0.", float(bool(job.problem))),
    )
    for name, text, value in figures:
        if value is not None:
            yield Gauge(name=name, help=text, value=value, job=job.name)


@register_gauges
def budgets() -> Iterator[Gauge]:
    for state in budget_states():
        labels = {"tasks": state.tasks, "period": state.period.lower()}
        spending = state.spending
        figures = (
            ("gleaner_budget_limit_usd", "What the tasks may cost in a day or month.", state.limit_usd),
            ("gleaner_budget_spent_usd", "What they have cost in the present one.", spending.usd),
            ("gleaner_budget_uncosted_calls", "Calls in it of unknown cost.", spending.uncosted_calls),
        )
        for name, text, value in figures:
            yield Gauge(name=name, help=text, value=value, labels=labels)
