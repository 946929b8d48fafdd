"""What the page of a run shows, and what its script asks for each second."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from capture_app.wording import counted
from console.runs.advice import Advised, Words, advised, what_to_do
from training_archive import runs
from training_archive.management.archive_command import human_size
from training_archive.models import ArchiveRun

NO_WORKER_AFTER: Final = timedelta(seconds=10)
QUIET_AFTER: Final = timedelta(seconds=15)

State = ArchiveRun.State
_ACTIVE: Final = (State.QUEUED, State.RUNNING)

_SENTENCES: Final[Mapping[str, str]] = {
    State.QUEUED: "It waits for a worker.",
    State.RUNNING: "It is at work.",
    State.SUCCEEDED: "It succeeded.",
    State.FAILED: "It failed.",
    State.REFUSED: "It was refused: another run that changes or indexes the archive was at work.",
    State.CANCELLED: "It was cancelled before a worker took it. Nothing was done.",
    State.LOST: "It is lost: its process was killed, or could not reach Django's database at its end.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """One run, as its page has it."""

    run: ArchiveRun
    progress: Mapping[str, Any]  # see `progress`
    tone: str  # see `tone`
    advice: list[Words]  # what to do next; empty when nothing
    findings: list[Advised]
    unlisted: str  # how many problems there are beyond those in `findings`; "" when none
    figures: list[tuple[str, str]]  # label and value
    steps: list[tuple[str, str, str]]  # step, how often, how long in all


def settled_run(run_id: int) -> ArchiveRun:
    """The run as it stands, once it is known whether its process is alive. Raises ArchiveRun.DoesNotExist."""
    runs.settle_lost_runs()
    return ArchiveRun.objects.get(pk=run_id)


def run_page(run: ArchiveRun) -> RunPage:
    unlisted = (run.problems or 0) - len(run.findings)
    return RunPage(
        run=run,
        progress=progress(run),
        tone=tone(run),
        advice=what_to_do(run),
        findings=advised(run),
        unlisted=f"{unlisted:,}" if unlisted > 0 else "",
        figures=list(_figures(run)),
        steps=[(step["step"], f"{step['times']:,}", duration(step["seconds"])) for step in run.steps],
    )


def _figures(run: ArchiveRun) -> Iterator[tuple[str, str]]:
    yield "Requested by", f"{run.requested_by}, {moment(run.requested_at)}"
    if run.started_at:
        yield "Began", f"{moment(run.started_at)}, on {run.host}, process {run.process}"
    if run.finished_at:
        took = "" if run.seconds is None else f", after {duration(run.seconds)}"
        yield "Last seen" if run.state == State.LOST else "Ended", f"{moment(run.finished_at)}{took}"
    if run.rows is not None and run.chunks is not None:
        what = "Archived" if run.kind == ArchiveRun.Kind.ARCHIVE else "Sound"
        yield what, f"{counted(run.rows, 'example')} in {counted(run.chunks, 'chunk')}"
    if run.problems is not None:
        yield "Problems", f"{run.problems:,}"
    if run.bytes is not None:
        yield "All ZIPs", f"{human_size(run.bytes)}{_growth(run.bytes - (run.bytes_before or 0))}"


def _growth(size: int) -> str:
    if not size:
        return ", as before"
    return f", {human_size(abs(size))} {'more' if size > 0 else 'less'} than before"


def moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def progress(run: ArchiveRun, *, log_seen: int = -1) -> dict[str, Any]:
    """What changes while a run is at work, as JSON. `log` is None when it has still `log_seen` characters."""
    now = datetime.now(UTC)
    return {
        "state": run.state,
        "label": label(run),
        "sentence": _sentence(run),
        "is_over": run.state not in _ACTIVE,
        "waits": run.state == State.QUEUED and now - run.requested_at > NO_WORKER_AFTER,
        "step": run.step,
        "amount": _amount(run),
        "share": min(1.0, run.done / run.total) if run.total > 0 else None,
        "elapsed": _elapsed(run, now),
        "silence": _silence(run, now),
        "log": run.log if len(run.log) != log_seen else None,
        "log_length": len(run.log),  # as Python counts; JavaScript counts otherwise
    }


def label(run: ArchiveRun) -> str:
    """Its state in a word or two. A verification did what it was to do also when it found problems."""
    if run.state == State.SUCCEEDED and run.problems:
        return counted(run.problems, "problem")
    return str(run.get_state_display())


def tone(run: ArchiveRun) -> str:
    """The colour of the label: ok, bad, busy or none."""
    if run.state in _ACTIVE:
        return "busy"
    if run.state in (State.FAILED, State.LOST) or run.problems:
        return "bad"
    return "ok" if run.state == State.SUCCEEDED else "none"


def duration(seconds: float) -> str:
    """`40 ms`, `1.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _sentence(run: ArchiveRun) -> str:
    if run.state == State.SUCCEEDED and run.problems:
        return "It read the whole archive, and found something wrong."
    return _SENTENCES[run.state]


def _amount(run: ArchiveRun) -> str:
    if run.total > 0:
        return f"{run.done / run.total:.0%}"
    return f"{run.done:,}" if run.done else ""


def _elapsed(run: ArchiveRun, now: datetime) -> str:
    if run.seconds is not None:
        return duration(run.seconds)
    began = run.started_at or run.requested_at
    return duration(max(0.0, ((run.finished_at or now) - began).total_seconds()))


def _silence(run: ArchiveRun, now: datetime) -> str:
    """How long ago it last said how far it is, when that is long; a step of DuckDB's own says nothing in between."""
    if run.state != State.RUNNING or run.seen_at is None or now - run.seen_at < QUIET_AFTER:
        return ""
    return duration((now - run.seen_at).total_seconds())
