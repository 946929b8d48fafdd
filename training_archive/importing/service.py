"""The verb of importing: files in, examples stored once, everything else counted and named."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from capture_app.conf import capture_settings
from capture_app.files import scratch_directory
from capture_app.progress import Progress, silent
from capture_app.requeue import alone
from training_archive.dated_names import dated_zips
from training_archive.exceptions import ArchiveError
from training_archive.importing.formats import AUTO, GLEANER_ZIP, is_zip, results_of, with_format
from training_archive.importing.indexed import check_archive_is_indexed
from training_archive.importing.intake import Counts, Intake
from training_archive.importing.reading import Result, Source, dated, stat_regular

_NAMED: Final = 1000  # problems that a report names; the others are only counted
_TOLD_EACH: Final = 1000  # records between two words about the progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A record that could not be imported."""

    file: str
    place: str
    reason: str


@dataclass(slots=True, kw_only=True)
class ImportReport:
    """What an import did, or in a dry run would do."""

    dry_run: bool
    strict: bool = False
    formats: dict[str, str] = field(default_factory=dict)  # by path
    read: int = 0
    counts: Counts = field(default_factory=Counts)
    skipped: Counter[str] = field(default_factory=Counter)  # what is no answered call, by what it is
    refused: Counter[str] = field(default_factory=Counter)  # by reason
    refusals: list[Refusal] = field(default_factory=list)  # the first ones, by file and place

    @property
    def refused_records(self) -> int:
        return self.refused.total()

    def refuse(self, file: str, result: Result) -> None:
        self.refused[result.problem] += 1
        if len(self.refusals) < _NAMED:
            self.refusals.append(Refusal(file=file, place=result.place, reason=result.problem))

    def as_json(self) -> dict[str, object]:
        facts = {name: getattr(self, name) for name in ("dry_run", "formats", "read", "skipped", "refused")}
        return {**facts, **asdict(self.counts), "refusals": [asdict(refusal) for refusal in self.refusals]}


def import_examples(
    paths: Sequence[Path],
    *,
    format: str = AUTO,  # noqa: A002  (the command's word for it)
    task: str = "",
    requests: Path | None = None,
    strict: bool = False,
    keep_equal: bool = False,
    dry_run: bool = False,
    progress: Progress = silent,
) -> ImportReport:
    """Import the files' examples through the inbox, with the dedupe and the redaction of captured calls, and drain.

    Importing again, also after a kill, stores nothing twice. Records that cannot be imported are named and counted;
    with `strict` nothing is imported when there is one. The name of an archive's active ZIP means the dated ones beside
    it, too. A record without an id that equals a stored example is left out, unless `keep_equal`. `requests` is the
    input of an OpenAI batch whose output is imported.

    Raises ArchiveError before anything is stored when a path is no regular file, its format is unknown, or the index
    does not know all of this Gleaner's archive; JobBusy while another process imports, requeues or erases; InboxError
    or LiveDatabaseError when examples cannot be stored: then import again.
    """
    conf = capture_settings()
    report = ImportReport(dry_run=dry_run, strict=strict)
    paths = _with_dated_zips(paths, format)
    for path in [*paths, *filter(None, [requests])]:
        _check(path)
    check_archive_is_indexed()
    with nullcontext() if dry_run else alone(), scratch_directory(conf.data_dir) as scratch:
        sources = [with_format(_source(path, task, requests, scratch), format) for path in paths]
        report.formats = {str(source.path): source.format for source in sources}
        if strict and _has_refusals(sources, report, progress):
            return report
        intake = Intake(dry_run=dry_run, scratch=scratch, keep_equal=keep_equal, counts=report.counts)
        intake.begin()
        for source in sources:
            _import(source, intake, report, progress)
        intake.flush()
    return report


def _with_dated_zips(paths: Sequence[Path], format_: str) -> list[Path]:
    """The paths, each active ZIP of an archive with its dated ones before it, none of which is read twice.

    Just after the active ZIP was rolled over, there is none of its name.
    """
    named = {path.resolve() for path in paths}
    found: list[Path] = []
    for path in paths:
        zips = dated_zips(path) if format_ in (AUTO, GLEANER_ZIP) else []
        if path.exists() and not (zips and path.is_file() and is_zip(path)):
            zips = []
        found += [dated for dated in zips if dated not in named]
        named.update(zips)
        if path.exists() or not zips:
            found.append(path)
    return found


def _check(path: Path) -> None:
    """Before anything is imported. The live database's bytes are DuckDB's alone, and its examples are here."""
    stat_regular(path)
    if path.resolve() == capture_settings().live_database.resolve():
        raise ArchiveError(f"{path} is the live database itself; its examples are stored. Nothing was imported.")


def _source(path: Path, task: str, requests: Path | None, scratch: Path) -> Source:
    found, conf = stat_regular(path), capture_settings()
    return Source(
        path=path,
        name=os.fsencode(path.name).decode("utf-8", "backslashreplace"),
        size=found.st_size,
        dated=dated(found),
        format="",
        task=task,
        data_dir=conf.data_dir,
        blob_bytes=conf.blob_bytes,
        scratch=scratch,
        requests=requests,
    )


def _has_refusals(sources: Iterable[Source], report: ImportReport, progress: Progress) -> bool:
    """Whether any record is bad. If so, the report says how many were read; if not, all of them are read again."""
    read = 0
    for source in sources:
        for number, result in enumerate(results_of(source)):
            _tell(progress, f"checking {source.name}", number)
            read += 1
            if result.problem:
                report.refuse(source.name, result)
    report.read = read if report.refused_records else 0
    return report.refused_records > 0


def _import(source: Source, intake: Intake, report: ImportReport, progress: Progress) -> None:
    for number, result in enumerate(results_of(source)):
        _tell(progress, f"importing {source.name}", number)
        report.read += 1
        if result.problem:
            report.refuse(source.name, result)
        elif result.skipped:
            report.skipped[result.skipped] += 1
        elif result.example is not None:
            intake.add(result.example, result.blobs, result.id_of)


def _tell(progress: Progress, stage: str, number: int) -> None:
    if number % _TOLD_EACH == 0:
        progress(stage, number, 0)
