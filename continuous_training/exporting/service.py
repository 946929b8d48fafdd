"""`export_finetune`: what was captured since the last time becomes pairs to train on, redacted, in chat JSONL.

The stages, each a module of its own: candidates (what no export has judged yet), outcomes (a line, or why there is
none; pairs, redacting), files and master (what is written), publishing (all of it at once).
"""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from django.db import Error as DatabaseError

from capture_app.conf import capture_settings
from capture_app.duckdb_files import with_enough_memory
from capture_app.exceptions import JobBusy
from capture_app.files import scratch_directory
from capture_app.jobs import job
from capture_app.progress import Progress, silent
from capture_app.services import drain_captures
from capture_app.wording import counted
from continuous_training.conf import loop_settings
from continuous_training.exceptions import ExportRefused
from continuous_training.exporting.candidates import Narrowed, find_candidates, is_any_wanted, read_candidates
from continuous_training.exporting.counting import Counts, count, total
from continuous_training.exporting.files import stage_export
from continuous_training.exporting.layout import STAGING, File, make_private
from continuous_training.exporting.locking import JOB, exports_locked
from continuous_training.exporting.outcomes import decide
from continuous_training.exporting.publishing import discard, finish_killed, publish, sweep_staging
from continuous_training.exporting.rules import ExportRules, export_rules
from continuous_training.exporting.writing_down import begin_export, write_down
from continuous_training.models import FinetuneExport
from training_archive.chunks import MEMORY_MB
from training_archive.conf import archive_settings
from training_archive.exports.held_out import leave_out_evaluated
from training_archive.exports.workspace import Workspace, explained, open_workspace

logger = logging.getLogger("continuous_training")


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneReport:
    """What one run did, or with `dry_run` would do."""

    exports: Sequence[str]  # ids: one as a rule, none when there was nothing to write, several for very many examples
    folder: Path
    dry_run: bool
    counts: Counts
    files: Sequence[File] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Run:
    """What all stages share."""

    narrowed: Narrowed
    folder: Path
    scratch: Path
    dry_run: bool
    progress: Progress
    rules: ExportRules = field(default_factory=export_rules)


@dataclass(frozen=True, slots=True)
class _Part:
    """What one export took, of as many examples as it may."""

    counts: Counts
    export: FinetuneExport | None  # None: it wrote nothing
    last: str  # id behind which the next part begins; "": this is the last one


def export_finetune(
    *,
    since: datetime | None = None,
    tasks: Sequence[str] = (),
    reconsider: bool = False,
    folder: Path | None = None,
    dry_run: bool = False,
    progress: Progress = silent,
) -> FinetuneReport:
    """Write the pairs that no export has taken yet to new files, and add them to the master files.

    `since` (aware) and `tasks` narrow what is taken; later runs take the rest. `reconsider` judges anew what earlier
    runs left out. `folder` is used instead of EXPORTS_FOLDER. With `dry_run` it only counts.

    Very many examples are exported in parts, each an export of its own. Killed anywhere, the next run finishes what was
    decided, and goes on. Raises JobBusy while another export is at
    work, ExportRefused, and ArchiveErrors and CaptureErrors when something cannot be read.
    """
    if since is not None and since.tzinfo is None:
        raise ExportRefused("A time needs its zone, such as 2026-01-31T00:00:00+00:00. Nothing was written.")
    started = time.monotonic()
    out = (folder or loop_settings().exports_folder).resolve()
    with job(JOB, refusal=JobBusy, recorded=not dry_run) as record, exports_locked():
        record.started()
        drain_captures(progress=progress)
        if not dry_run:
            finish_killed()
        with scratch_directory(capture_settings().data_dir) as scratch, explained(ExportRefused):
            narrowed = Narrowed(since=since, tasks=tasks, reconsider=reconsider)
            run = _Run(narrowed, out, scratch, dry_run, progress)
            parts = list(_parts(run))
        counts, exports = total([part.counts for part in parts]), [part.export for part in parts if part.export]
        record.rows = counts.pairs
    report = FinetuneReport(
        exports=[export.pk for export in exports],
        folder=out,
        dry_run=dry_run,
        counts=counts,
        files=[File.from_json(file) for export in exports for file in export.files],
        seconds=time.monotonic() - started,
    )
    _log(report)
    return report


def _parts(run: _Run) -> Iterator[_Part]:
    after, is_last = "", False
    while not is_last:
        part = with_enough_memory(partial(_export, run, after), MEMORY_MB)
        yield part
        after, is_last = part.last, not part.last


def _export(run: _Run, after: str, memory_mb: int) -> _Part:
    with open_workspace(run.scratch, memory_mb) as workspace:
        last = find_candidates(workspace, run.narrowed, run.rules, after, run.progress)
        if not is_any_wanted(workspace):
            return _Part(Counts(examples=0, pairs=0), None, last)
        zip_path = archive_settings().zip_path.resolve()
        unread = read_candidates(workspace, run.narrowed, run.rules, zip_path, run.progress)
        leave_out_evaluated(workspace, run.progress)
        treated = decide(workspace, run.rules, run.progress)
        counts = count(workspace, treated, unread)
        return _Part(counts, _write(run, workspace, counts), last)


def _write(run: _Run, workspace: Workspace, counts: Counts) -> FinetuneExport | None:
    if run.dry_run:
        return None
    if counts.is_nothing:
        write_down(workspace, None)
        return None
    return _publish(run, workspace, counts)


def _publish(run: _Run, workspace: Workspace, counts: Counts) -> FinetuneExport:
    """See `publishing` for what a kill leaves at each point."""
    make_private(run.folder)
    sweep_staging(run.folder)
    export = begin_export(run.folder, datetime.now(UTC))
    export.pairs, export.counts = counts.pairs, asdict(counts)
    try:
        stage_export(
            workspace,
            export,
            run.folder / STAGING,
            counts=counts,
            narrowed=run.narrowed,
            limit=run.rules.max_file_bytes,
            progress=run.progress,
        )
        write_down(workspace, export)
    except BaseException:
        with suppress(OSError, DatabaseError):  # else the next run does
            discard(FinetuneExport.objects.get(pk=export.pk, state=FinetuneExport.State.STAGING))
        raise
    run.progress("publishing", 0, 0)
    publish(export)
    return export


def _log(report: FinetuneReport) -> None:
    counts = report.counts
    facts = {"pairs": counts.pairs, "examples": counts.examples, "seconds": report.seconds}
    what = ", ".join(report.exports) or ("a dry run" if report.dry_run else "no file")
    logger.info("%s of %s: %s.", counted(counts.pairs, "pair"), counted(counts.examples, "example"), what, extra=facts)
    if counts.unread:
        logger.warning(
            "%s could not be read, and wait for the next export. If that is not because their chunk is away, make the "
            "index anew with `manage.py rebuild_example_index`.",
            counted(counts.unread, "example"),
        )
