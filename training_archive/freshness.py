"""Is everything on its way? Says so in the log and to ADMINS when it is not.

A check may run at any time and as often as one likes: what it found last is in the notes of its Job, so each problem is
mailed once, again a day later while it lasts, and its end is mailed too.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from django.core.mail import mail_admins
from django.db.models import Max, Min

from capture_app.conf import capture_settings
from capture_app.exceptions import CaptureError
from capture_app.inbox import get_inbox
from capture_app.inbox.base import InboxDepth
from capture_app.jobs import ARCHIVE, FRESHNESS, describe, job, only_run
from capture_app.models import ExampleIndex, Job
from capture_app.quarantine import count_quarantined, count_withheld
from capture_app.services import count_live_rows
from capture_app.wording import counted
from training_archive.conf import archive_settings
from training_archive.models import ArchivedChunk
from training_archive.sealed import sealed_files

logger = logging.getLogger("training_archive")

REMIND_AFTER: Final = timedelta(days=1)

# Keys of the notes.
_LASTING, _MAILED_AT, _COUNTS = "lasting", "mailed_at", "counts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not as it should be."""

    code: str  # the same as long as the problem is the same
    title: str  # a few words, for the mail's subject
    text: str  # what happened, what is safe, what to do
    lasts: bool = True  # False: it happened since the last check, and will not be found again


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshnessReport:
    """What one check found, and whether it wrote to ADMINS."""

    findings: list[Finding]
    mailed: bool


def check_freshness() -> FreshnessReport:
    """Look for examples that do not get on, log each problem as an error, and mail ADMINS about what is new.

    Raises JobBusy while another check is at work. A mail that cannot be sent is logged, and tried again by the next
    check.
    """
    with only_run(FRESHNESS), job(FRESHNESS) as run:
        run.started()
        now = datetime.now(UTC)
        notes = _notes()
        counts = _counts()
        findings = [*_look(now), *_growth(notes.get(_COUNTS, {}), counts)]
        for finding in findings:
            logger.error("%s", finding.text, extra={"problem": finding.code})
        message = _message(findings, notes, now)
        mailed = message is not None and _mail(*message)
        run.rows = len(findings)
        if mailed or message is None:  # else the next check finds the same news, and tries to mail them
            run.notes = {
                _LASTING: [finding.code for finding in findings if finding.lasts],
                _MAILED_AT: now.isoformat() if mailed else notes.get(_MAILED_AT),
                _COUNTS: counts,
            }
    return FreshnessReport(findings=findings, mailed=mailed)


def _notes() -> Mapping[str, Any]:
    row = Job.objects.filter(name=FRESHNESS).first()
    return row.notes if row else {}


# --- What may be wrong -----------------------------------------------------------------------------------------------


def _look(now: datetime) -> Iterator[Finding]:
    try:
        depth = get_inbox().depth()
    except (CaptureError, OSError) as error:
        depth = InboxDepth(0, None)
        yield _unreadable("inbox", error)
    yield from _inbox_findings(depth, now)
    yield from _sealed_findings(now)
    try:
        yield from _archive_findings(depth, now)
    except CaptureError as error:
        yield _unreadable("live database", error)


def _unreadable(what: str, error: Exception) -> Finding:
    return Finding(
        code=f"{what.replace(' ', '_')}_unreadable",
        title=f"the {what} cannot be read",
        text=f"The {what} cannot be read: {describe(error)}. What is in it stays there; see what the drain logs, and "
        "mend the cause.",
    )


def _inbox_findings(depth: InboxDepth, now: datetime) -> Iterator[Finding]:
    conf = archive_settings()
    advice = "Nothing is lost: see that the drain runs, or run `manage.py drain_captures` and read what it says."
    if depth.oldest_at is not None and now - depth.oldest_at > conf.max_inbox_age:
        yield Finding(
            code="inbox_old",
            title="the inbox is not drained",
            text=f"Records have waited in the inbox since {_moment(depth.oldest_at)}, longer than "
            f"{_duration(conf.max_inbox_age)}. {advice}",
        )
    if depth.bytes > conf.max_inbox_bytes:
        yield Finding(
            code="inbox_large",
            title="the inbox grows",
            text=f"The inbox holds {depth.bytes:,} bytes, more than {conf.max_inbox_bytes:,}. {advice}",
        )


def _sealed_findings(now: datetime) -> Iterator[Finding]:
    limit = archive_settings().max_age
    # A rename changes ctime: it says when a file was sealed, and mtime when it was last drained into.
    late = [moment for moment in map(_changed_at, sealed_files()) if moment is not None and now - moment > limit]
    if late:
        yield Finding(
            code="sealed_left",
            title="sealed files are left over",
            text=f"{counted(len(late), 'sealed file')} waited longer than {_duration(limit)} for the ZIP, since "
            f"{_moment(min(late))}. They are safe in sealed/; run `manage.py archive_training_data` and read why it "
            "cannot append them.",
        )


def _changed_at(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.stat().st_ctime, UTC)
    except FileNotFoundError:  # it has just come into the ZIP
        return None


def _archive_findings(depth: InboxDepth, now: datetime) -> Iterator[Finding]:
    limit = archive_settings().max_age
    last = _last_success()
    since = last or _first_example_at() or depth.oldest_at
    if since is None or now - since <= limit or not _something_waits(depth):
        return
    told = f"No archive run has succeeded since {_moment(last)}" if last else "No archive run has succeeded yet"
    yield Finding(
        code="archive_late",
        title="the archive is late",
        text=f"{told}, and examples wait for one; {_duration(limit)} are allowed. They are safe where they are. See "
        "that the schedule runs, or run `manage.py archive_training_data` and read what it says.",
    )


def _last_success() -> datetime | None:
    """By the job's own word, or that of the newest chunk, which may be older than the job's row."""
    by_job = Job.objects.filter(name=ARCHIVE).values_list("last_success_at", flat=True).first()
    by_chunk = ArchivedChunk.objects.aggregate(latest=Max("archived_at"))["latest"]
    return max(filter(None, (by_job, by_chunk)), default=None)


def _first_example_at() -> datetime | None:
    first: datetime | None = ExampleIndex.objects.aggregate(first=Min("created_at"))["first"]
    return first


def _something_waits(depth: InboxDepth) -> bool:
    return depth.oldest_at is not None or bool(sealed_files()) or count_live_rows() > 0


def _counts() -> dict[str, int]:
    data_dir = capture_settings().data_dir
    return {"quarantined": count_quarantined(data_dir), "withheld": count_withheld(data_dir)}


def _growth(before: Mapping[str, int], now: Mapping[str, int]) -> Iterator[Finding]:
    quarantined = now["quarantined"] - before.get("quarantined", 0)
    if quarantined > 0:
        yield Finding(
            code="quarantine_grew",
            title="records went to quarantine",
            text=f"{counted(quarantined, 'more record')} could not be stored. They are kept byte for byte in "
            "quarantine/, each with the reason; all others went on their way.",
            lasts=False,
        )
    withheld = now["withheld"] - before.get("withheld", 0)
    if withheld > 0:
        yield Finding(
            code="withheld_grew",
            title="examples were withheld",
            text=f"{counted(withheld, 'more example')} could not be redacted. They are kept sealed in "
            "quarantine/withheld/, each with the reason; mend the function that REDACT names.",
            lasts=False,
        )


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _duration(duration: timedelta) -> str:
    minutes = duration.total_seconds() / 60
    return f"{minutes:g} minutes" if minutes < 120 else f"{minutes / 60:g} hours"


# --- What ADMINS are told --------------------------------------------------------------------------------------------


def _message(findings: list[Finding], notes: Mapping[str, Any], now: datetime) -> tuple[str, str] | None:
    """Subject and text of a mail, when there is news or it is time for a reminder."""
    lasting = {finding.code for finding in findings if finding.lasts}
    before = set(notes.get(_LASTING, []))
    over = sorted(before - lasting)
    if not findings:
        return ("Gleaner: all is well again", f"No longer found: {', '.join(over)}.") if over else None
    if lasting == before and len(findings) == len(lasting) and not _is_due(notes, now):
        return None
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    texts = [finding.text for finding in findings]
    if over:
        texts.append(f"No longer found: {', '.join(over)}.")
    return f"Gleaner: {findings[0].title}{more}", "\n\n".join([*texts, "`manage.py archive_status` has the figures."])


def _is_due(notes: Mapping[str, Any], now: datetime) -> bool:
    mailed_at = notes.get(_MAILED_AT)
    return mailed_at is None or now - datetime.fromisoformat(mailed_at) >= REMIND_AFTER


def _mail(subject: str, text: str) -> bool:
    try:
        mail_admins(subject, text)
    except Exception as error:  # whatever the mail's backend raises: the problem itself is in the log
        logger.error("ADMINS could not be told %r: %s. The next check tries again.", subject, describe(error))
        return False
    return True
