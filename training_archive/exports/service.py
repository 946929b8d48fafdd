"""`export_dataset`: captured examples become a data set, in bounded memory however many there are.

The stages, each a module of its own: sources (what there is, and passes the filters), duplicates and near_duplicates,
held_out, units, items (examples or pairs), splits, writing, manifest, and at the end publication, in one rename.
"""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from django.db import transaction

from capture_app.conf import capture_settings
from capture_app.duckdb_files import count_rows, with_enough_memory
from capture_app.files import scratch_directory
from capture_app.progress import Progress, silent
from capture_app.services import drain_captures
from training_archive.chunks import MEMORY_MB
from training_archive.conf import archive_settings
from training_archive.dated_names import archive_zips
from training_archive.exports.duplicates import leave_out_exact_duplicates
from training_archive.exports.exceptions import ExportError, NothingToExport
from training_archive.exports.forgotten import check_none_was_forgotten, leave_out_forgotten
from training_archive.exports.formats import FORMATS, get_format
from training_archive.exports.formats.base import Format, ShardLimits
from training_archive.exports.held_out import leave_out_evaluated, leave_out_held_out
from training_archive.exports.items import make_items, make_pairs
from training_archive.exports.layouts import Layout, layout_of, rows_by_split
from training_archive.exports.manifest import make_lineage, manifest_of
from training_archive.exports.near_duplicates import leave_out_near_duplicates
from training_archive.exports.options import ARCHIVE, LIVE, NEAR, NONE, ExportOptions, ExportReport
from training_archive.exports.publication import empty
from training_archive.exports.registry import has_registry, register
from training_archive.exports.sources import Source, gather, leave_out_shadows
from training_archive.exports.splits import assign_splits
from training_archive.exports.units import join_units
from training_archive.exports.workspace import ALIAS, Workspace, explained, open_workspace
from training_archive.exports.writing import NoWriters, ShardWriters, write_items

logger = logging.getLogger("training_archive")

_EXTRACTION: Final = "extraction"  # the format that may have the finetuner's file names


@dataclass(frozen=True, slots=True)
class _Run:
    """What all stages of one export share."""

    options: ExportOptions
    kind: Format
    zip_path: Path
    scratch: Path
    progress: Progress
    stage_seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        self.progress(name, 0, 0)
        yield
        self.stage_seconds[name] = round(time.monotonic() - started, 3)


def export_dataset(
    *,
    options: ExportOptions,
    out: Path | None = None,
    zip_path: Path | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    progress: Progress = silent,
) -> ExportReport:
    """Write the examples that `options` ask for into the folder `out`, or with `dry_run` only count them.

    `overwrite` replaces a folder that holds an export and nothing else. The export is remembered as a DatasetExport,
    where there is a database. Interrupted anywhere, `out` is as it was.

    Raises NothingToExport when no record is left to write, other ExportErrors, ArchiveErrors and CaptureErrors when
    something cannot be read or written; each message says what to do.
    """
    started = time.monotonic()
    kind = _format(options)
    _check_sources(options, zip_path)
    zip_path = (zip_path or archive_settings().zip_path).resolve()
    layout = None if dry_run else _layout(options, out, zip_path, overwrite=overwrite)
    if options.source != ARCHIVE:
        drain_captures(progress=progress)
    with scratch_directory(capture_settings().data_dir) as scratch, explained(ExportError):
        run = _Run(options, kind, zip_path, scratch, progress)
        if layout is None:
            manifest = with_enough_memory(lambda memory_mb: _count(run, memory_mb), MEMORY_MB)
        else:
            with layout.staging() as staging:
                manifest = with_enough_memory(lambda memory_mb: _export(run, layout, staging, memory_mb), MEMORY_MB)
    return ExportReport(
        out=layout.out if layout else None,
        format=options.format,
        dry_run=dry_run,
        matching=manifest["examples"],
        rows=manifest["rows"],
        splits=rows_by_split(manifest),
        tasks={name: split["tasks"] for name, split in manifest["splits"].items()},
        left_out=manifest["left_out"],
        files=manifest.get("files", []),
        registered=manifest.get("registered", False),
        seconds=time.monotonic() - started,
        stage_seconds=run.stage_seconds,
    )


def _format(options: ExportOptions) -> Format:
    if options.format not in FORMATS:
        raise ExportError(
            f"There is no format {options.format!r}; there are {', '.join(FORMATS)}. Nothing was written."
        )
    if options.slug and options.format != _EXTRACTION:
        raise ExportError(f"Slug and schema belong to the format {_EXTRACTION}. Nothing was written.")
    return get_format(options.format, data_dir=capture_settings().data_dir)


def _check_sources(options: ExportOptions, zip_path: Path | None) -> None:
    """Raise ExportError when an archive was named that is not there, or what is live cannot be known."""
    if zip_path and options.source != LIVE and not archive_zips(zip_path):
        raise ExportError(f"There is no archive at {zip_path}. Nothing was written; check --zip-path.")
    if options.source != ARCHIVE and not has_registry():
        raise ExportError(
            "There is no database with Gleaner's tables, without which live examples cannot be read. Nothing was "
            "written; export what is archived with --from archive, or set DATABASES and run `manage.py migrate`."
        )


def _layout(options: ExportOptions, out: Path | None, zip_path: Path, *, overwrite: bool) -> Layout:
    if out is None:
        raise ExportError("An export needs a folder to write into. Nothing was written; name one, or count only.")
    out = out.resolve()
    if os.fsencode(out).decode("utf-8", "replace") != str(out):
        raise ExportError(f"{os.fsencode(out)!r} is not in UTF-8. Nothing was written; choose another name.")
    live_name = capture_settings().live_database.name
    names = {ARCHIVE: zip_path.name, LIVE: live_name}.get(options.source, f"{zip_path.name} + {live_name}")
    return layout_of(out, slug=options.slug, schema=options.schema, input_source=names, overwrite=overwrite)


def _count(run: _Run, memory_mb: int) -> dict[str, Any]:
    """The manifest of an export that is not written."""
    with open_workspace(run.scratch, memory_mb) as workspace:
        sources = _select(run, workspace)
        return _write(run, workspace, sources, NoWriters(), run.scratch)


def _export(run: _Run, layout: Layout, staging: Path, memory_mb: int) -> dict[str, Any]:
    empty(staging)  # of a try with less memory
    limits = ShardLimits(run.options.shard_rows, run.options.shard_bytes)
    with open_workspace(run.scratch, memory_mb) as workspace:
        sources = _select(run, workspace)
        with ShardWriters(run.kind, staging, limits, run.scratch) as writers:
            manifest = _write(run, workspace, sources, writers, staging)
        with run.stage("publishing"):
            manifest = layout.finish(staging, workspace, run.kind, manifest)
            return {**manifest, "registered": _publish(workspace, layout, staging, manifest)}


def _select(run: _Run, workspace: Workspace) -> list[Source]:
    """Stages 1 to 6: decide what becomes a record, and in which split."""
    options, progress = run.options, run.progress
    with run.stage("copying examples"):
        sources = gather(workspace, options, run.zip_path, progress, are_pairs=run.kind.wants_pairs)
        leave_out_forgotten(workspace)
        if not options.with_shadows:
            leave_out_shadows(workspace)
    if options.dedupe != NONE:
        with run.stage("looking for exact duplicates"):
            leave_out_exact_duplicates(workspace, by_answer=run.kind.wants_pairs)
    with run.stage("looking for held-out prompts"):
        leave_out_evaluated(workspace, progress)
        if options.held_out:
            leave_out_held_out(workspace, files=options.held_out, n=options.held_out_ngram, progress=progress)
    if options.dedupe == NEAR:
        with run.stage("looking for near duplicates"):
            leave_out_near_duplicates(workspace, threshold=options.near_threshold, progress=progress)
    with run.stage("splitting"):
        join_units(workspace)
        if run.kind.wants_pairs:
            make_pairs(workspace, min_rating=options.min_rating)
        else:
            make_items(workspace)
        assign_splits(workspace, shares=options.shares, seed=options.seed)
    return sources


def _write(
    run: _Run, workspace: Workspace, sources: list[Source], writers: ShardWriters, folder: Path
) -> dict[str, Any]:
    """Stage 7: the records, and all that is to be said of them."""
    with run.stage("writing"):
        written = write_items(workspace, run.kind, writers, run.progress)
    with run.stage("counting"):
        make_lineage(workspace)
        manifest = manifest_of(workspace, run.options, sources, written, folder)
    if not manifest["rows"]:
        raise NothingToExport(_why_nothing(run, workspace, manifest))
    return manifest


def _why_nothing(run: _Run, workspace: Workspace, manifest: dict[str, Any]) -> str:
    if not manifest["examples"]:
        return "No example passes the filters. Nothing was written; widen them, or capture something first."
    reasons = ", ".join(f"{reason}: {rows:,}" for reason, rows in manifest["left_out"].items())
    if run.kind.wants_pairs and not count_rows(workspace.connection, f"{ALIAS}.items"):
        return (
            f"There is not one pair: {run.kind.name} needs a correction, or two answers to one prompt of which one is "
            f"rated better. Left out: {reasons}. Nothing was written; rate or correct answers, and run this again."
        )
    return f"Nothing is left to write. Left out: {reasons}. Nothing was written."


def _publish(workspace: Workspace, layout: Layout, staging: Path, manifest: dict[str, Any]) -> bool:
    """Remember the export and put it in place, both or neither; whether it could be remembered."""
    if not has_registry():
        layout.publish(staging)
        logger.warning(
            "There is no database with Gleaner's tables: the export is not registered, and a later `forget`, which "
            "runs elsewhere, cannot name it."
        )
        return False
    with transaction.atomic():
        register(layout.out, layout.manifest_name, manifest)
        check_none_was_forgotten(workspace)
        layout.publish(staging)
    return True
