"""How things are at this moment, each as a card. No lock is taken, and neither DuckDB nor a ZIP is opened."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from django.apps import apps
from django.contrib import admin
from django.db.models import Model, Sum
from django.db.models.functions import Coalesce

from capture_app.conf import capture_settings
from capture_app.files import file_size
from capture_app.health import health_problem
from capture_app.inbox import get_inbox
from capture_app.jobs import ARCHIVE, DRAIN, FRESHNESS
from capture_app.metrics import capture_counts
from capture_app.models import Job
from capture_app.quarantine import count_quarantined, count_withheld
from capture_app.wording import counted
from console.figures.cards import Card, State, safely
from console.figures.numbers import age, duration, moment, size, whole
from console.figures.refresh import FIGURES, LIVE_ROWS, LIVE_ROWS_AT
from training_archive.conf import archive_settings
from training_archive.dated_names import archive_zips
from training_archive.models import ArchivedChunk, ArchiveRun
from training_archive.sealed import sealed_files
from training_archive.shipping.service import SHIP

_LATE: Final = timedelta(minutes=5)  # drains run each minute, and beat may be restarted

Jobs = Mapping[str, Job]


def cards(jobs: Jobs, now: datetime) -> list[Card]:
    """What stands at the top of the dashboard. What cannot be read is a card that says so."""
    builders: dict[str, Callable[[], Card]] = {
        "Inbox": partial(_inbox, now),
        "Drain": partial(_drain, jobs, now),
        "Live database": partial(_live, jobs),
        "Archive": _archive,
        "Last archive run": partial(_last_run, jobs, now),
        "Next archive run": partial(_next_run, now),
        "Copy of the archive": partial(_shipped, jobs, now),
        "Failures": partial(_failures, jobs),
        "Freshness check": partial(_freshness, jobs, now),
    }
    return [safely(title, build) for title, build in builders.items()]


def _inbox(now: datetime) -> Card:
    conf, depth = archive_settings(), get_inbox().depth()
    if depth.oldest_at is None:
        return Card(title="Inbox", figure=size(depth.bytes), note="Nothing waits to be drained.")
    waited = now - depth.oldest_at
    is_late = waited > conf.max_inbox_age or depth.bytes > conf.max_inbox_bytes
    return Card(
        title="Inbox",
        figure=size(depth.bytes),
        note=f"The oldest record has waited for {_age(waited)}."
        + (" See that the drain runs; nothing is lost." if is_late else ""),
        state=State.WARNING if is_late else State.OK,
        about=Job,
    )


def _drain(jobs: Jobs, now: datetime) -> Card:
    job = jobs.get(DRAIN)
    if job is None or job.last_success_at is None:
        note = "Start a Celery worker and beat (make serve does), or run manage.py drain_captures."
        return Card(title="Drain", figure="never", note=note, state=State.IDLE, about=Job)
    since = now - job.last_success_at
    figure = f"{_age(since)} ago"
    if job.problem:
        return _problem("Drain", figure, job)
    if since > _LATE:
        note = "It is due each minute, so Celery beat or its worker does not seem to run."
        return Card(title="Drain", figure=figure, note=note, state=State.WARNING, about=Job)
    return Card(title="Drain", figure=figure, note=f"It took in {counted(job.rows or 0, 'example')}.", about=Job)


def _live(jobs: Jobs) -> Card:
    path = capture_settings().live_database
    try:
        figure = size(path.stat().st_size)
    except FileNotFoundError:
        return Card(title="Live database", figure="none", note="The first drain makes it.", state=State.IDLE)
    notes: Mapping[str, Any] = jobs[FIGURES].notes if FIGURES in jobs else {}
    if LIVE_ROWS not in notes:
        return Card(title="Live database", figure=figure, note="How many examples are in it is not known yet.")
    at = moment(datetime.fromisoformat(notes[LIVE_ROWS_AT]))
    return Card(title="Live database", figure=f"{counted(notes[LIVE_ROWS], 'example')}", note=f"At {at}; {figure} now.")


def _archive() -> Card:
    zips = [file_size(path) for path in archive_zips(archive_settings().zip_path)]
    rows = ArchivedChunk.objects.aggregate(rows=Coalesce(Sum("rows"), 0))["rows"]
    if not zips:
        note = "The first run makes it: tonight's, or manage.py archive_training_data now."
        return Card(title="Archive", figure="none", note=note, state=State.IDLE, about=ArchivedChunk)
    waiting = len(sealed_files())
    note = f"{size(sum(zips))} in {counted(len(zips), 'ZIP')}."
    if waiting:
        note += f" {counted(waiting, 'sealed file')} not in it yet; they are safe, and the next run takes them."
    return Card(
        title="Archive",
        figure=counted(rows, "example"),
        note=note,
        state=State.WARNING if waiting else State.OK,
        about=ArchivedChunk,
    )


def _last_run(jobs: Jobs, now: datetime) -> Card:
    title, job = "Last archive run", jobs.get(ARCHIVE)
    about = _runs()
    if job is None or job.started_at is None:
        note = "Run manage.py archive_training_data, or wait for the night."
        return Card(title=title, figure="never", note=note, state=State.IDLE, about=about)
    if job.state == "running":
        note = f"Since {moment(job.started_at)}."
        return Card(title=title, figure="at work", note=note, about=about)
    figure = f"{_age(now - job.last_success_at)} ago" if job.last_success_at else "never well"
    if job.problem:
        return _problem(title, figure, job, about)
    took = duration(1000 * (job.seconds or 0))
    return Card(title=title, figure=figure, note=f"{counted(job.rows or 0, 'example')} in {took}.", about=about)


def _next_run(now: datetime) -> Card:
    title = "Next archive run"
    if not apps.is_installed("django_celery_beat"):
        note = "The schedule is not in Django's database; look where you keep it."
        return Card(title=title, figure="not known", note=note, state=State.UNKNOWN)
    from console.figures.next_run import next_run  # django-celery-beat is optional

    at = next_run(now)
    if at is None:
        note = "Its entry in the schedule is disabled or missing."
        return Card(title=title, figure="none", note=note, state=State.WARNING, about=_schedule())
    note = f"{at:%Y-%m-%d %H:%M} {at.tzinfo}, {moment(at)}."
    if at < now - _LATE:
        note += " Celery beat does not seem to run."
        return Card(title=title, figure="overdue", note=note, state=State.WARNING, about=_schedule())
    figure = f"in {_age(at - now)}" if at > now else "now"
    return Card(title=title, figure=figure, note=note, about=_schedule())


def _schedule() -> type[Model]:
    return apps.get_model("django_celery_beat", "PeriodicTask")


def _shipped(jobs: Jobs, now: datetime) -> Card:
    title, job = "Copy of the archive", jobs.get(SHIP)
    if not archive_settings().ship_to:
        note = "None is kept. SHIP_FOLDER or SHIP_BUCKET keeps one elsewhere."
        return Card(title=title, figure="none", note=note, state=State.IDLE)
    if job is not None and job.problem:
        return _problem(title, _since(job, now), job)
    if job is None or job.last_success_at is None:
        return Card(title=title, figure="never", note="The next archive run ships it.", state=State.IDLE, about=Job)
    return Card(title=title, figure=_since(job, now), note=f"Shipped at {moment(job.last_success_at)}.", about=Job)


def _failures(jobs: Jobs) -> Card:
    """What was lost long ago is told for ever; it alone is no reason to look at this."""
    data_dir = capture_settings().data_dir
    lost = sum(capture_counts().failures.values())
    waiting = {
        "record in quarantine": count_quarantined(data_dir),
        "example withheld": count_withheld(data_dir),
    }
    failed = [name for name, job in jobs.items() if job.problem]
    told = [health_problem().rstrip(".")] + [_told(number, words) for words, number in waiting.items() if number]
    told.append(f"failed: {', '.join(failed)}" if failed else "")
    told.append(f"{_told(lost, 'example lost')} since this data directory was made" if lost else "")
    return Card(
        title="Failures",
        figure=whole(lost + sum(waiting.values()) + len(failed)),
        note=f"{'; '.join(filter(None, told)) or 'No example was lost, refused or withheld, and no job failed'}.",
        state=State.FAILING if failed or told[0] else State.WARNING if any(waiting.values()) else State.OK,
        about=Job,
    )


def _told(number: int, words: str) -> str:
    """`1 record in quarantine`, `2 records in quarantine`."""
    noun, _, rest = words.partition(" ")
    return f"{counted(number, noun)} {rest}"


def _freshness(jobs: Jobs, now: datetime) -> Card:
    title, job = "Freshness check", jobs.get(FRESHNESS)
    if job is None or job.last_success_at is None:
        note = "It runs every ten minutes with Celery beat."
        return Card(title=title, figure="never", note=note, state=State.IDLE, about=Job)
    if job.problem:
        return _problem(title, _since(job, now), job)
    checked = f"Checked {_since(job, now)}."
    if job.rows:
        lasting = ", ".join(str(code).replace("_", " ") for code in job.notes.get("lasting", []))
        note = f"{lasting or 'The log says which'}. {checked}"
        return Card(title=title, figure=counted(job.rows, "problem"), note=note, state=State.WARNING, about=Job)
    return Card(title=title, figure="fresh", note=f"Everything is on its way. {checked}", about=Job)


def _problem(title: str, figure: str, job: Job, about: type[Model] | None = Job) -> Card:
    note = f"The last run failed: {job.problem}. The log has more; the next run tries again."
    return Card(title=title, figure=figure, note=note, state=State.FAILING, about=about)


def _runs() -> type[Model]:
    return ArchiveRun if admin.site.is_registered(ArchiveRun) else Job


def _since(job: Job, now: datetime) -> str:
    return f"{_age(now - job.last_success_at)} ago" if job.last_success_at else "never"


def _age(duration: timedelta) -> str:
    return age(max(duration.total_seconds(), 0))
