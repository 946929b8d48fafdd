"""Parts come back from cold storage: into the archive again, or as a copy into a folder of their own."""

import shutil
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from capture_app.conf import capture_settings
from capture_app.files import fsync_directory, scratch_directory
from capture_app.progress import Progress, silent
from capture_app.requeue import alone
from training_archive.archive_set import read_sidecars
from training_archive.cold.ledger import ColdPart, Ledger, State, chunk_names
from training_archive.cold.parts import build_part, check_part, refuse_too_large, restore_blobs
from training_archive.cold.settling import settled_ledger
from training_archive.cold.storage import adopt_lost, clear_loose, configured_place, downloaded, read_copy
from training_archive.conf import archive_settings
from training_archive.dated_names import archive_zips, free_dated_name
from training_archive.exceptions import ArchiveError
from training_archive.locks import only_run, only_run_into
from training_archive.records import remember_change
from training_archive.sealed import sealed_folder
from training_archive.zip_archive import open_zip
from training_archive.zip_writer import successor_of


@dataclass(slots=True, kw_only=True)
class ReturnReport:
    """What one run brought back, or copied."""

    zip_path: Path  # the active ZIP of the archive that it went into; there may be none
    is_copy: bool  # what is in cold storage stays there
    parts: list[str] = field(default_factory=list)
    zips: list[str] = field(default_factory=list)  # that they became here
    here_before: list[str] = field(default_factory=list)  # parts whose chunks were in the folder already
    chunks: int = 0
    rows: int = 0
    blobs: int = 0  # that were not here
    bytes_received: int = 0
    seconds: float = 0.0


def fetch_from_cold(
    *, months: Collection[str] = (), to: Path | None = None, progress: Progress = silent
) -> ReturnReport:
    """Bring parts back: those of the months (YYYYmm, of their youngest examples), or all.

    Back into the archive they become dated ZIPs, and leave cold storage; the next `move_to_cold_storage` takes them
    there again. Into the folder `to` they are copied, as an archive of its own, and stay where they are; that needs no
    ledger of this host. Interrupted, run it again: it finishes.

    Raises ArchiveBusy while another run works, ArchiveError when there are no such parts, ShippingError when the
    storage refuses or stays away, ArchiveDamaged when it holds something else. Then all is where it was.
    """
    started = time.monotonic()
    usual = archive_settings().zip_path.resolve()
    if to is None:
        with only_run(sealed_folder(), usual), alone():
            report = _bring_back(usual, months, progress)
    else:
        report = _copy(usual, to, months, progress)
    report.seconds = time.monotonic() - started
    return report


def _bring_back(zip_path: Path, months: Collection[str], progress: Progress) -> ReturnReport:
    ledger = settled_ledger(zip_path)
    was_killed = bool(ledger.loose)  # what had come back is loose there until it is deleted
    adopt_lost(ledger)
    clear_loose(ledger)
    report = ReturnReport(zip_path=zip_path, is_copy=False)
    if was_killed and not _of_months(ledger.parts.values(), months):
        return report  # all that was left to do is done
    for part in _wanted(ledger.parts.values(), months):
        with _as_zip(part, zip_path, capture_settings().data_dir, report, progress) as ready:
            returning = ledger.becomes(part, State.RETURNING)
            _place(ready, part, zip_path, report)
        remember_change(zip_path)
        ledger.let_go(returning)
        clear_loose(ledger)
    return report


def _copy(usual: Path, to: Path, months: Collection[str], progress: Progress) -> ReturnReport:
    zip_path = (to / usual.name).resolve()
    if zip_path == usual:
        raise ArchiveError(
            f"{to} is where the archive itself is. Nothing was changed; leave --to out to bring it back."
        )
    parts = list(Ledger.read(usual).parts.values())
    if not parts or archive_settings().cold_storage:
        known = {part.name for part in parts}
        parts += [part for part in read_copy(*configured_place(), usual) if part.name not in known]
    report = ReturnReport(zip_path=zip_path, is_copy=True)
    with only_run_into(zip_path):
        here = {chunk.chunk for path in archive_zips(zip_path) for chunk in read_sidecars(path)}
        for part in _wanted(parts, months):
            if chunk_names([part]) <= here:
                report.here_before.append(part.name)
                continue
            with _as_zip(part, zip_path, zip_path.parent, report, progress) as ready:
                _place(ready, part, zip_path, report)
    return report


def _of_months(parts: Collection[ColdPart], months: Collection[str]) -> list[ColdPart]:
    return [part for part in parts if not months or part.month in months]


def _wanted(parts: Collection[ColdPart], months: Collection[str]) -> Sequence[ColdPart]:
    """The oldest first. Raises ArchiveError when there are none."""
    found = _of_months(parts, months)
    if not found:
        there = ", ".join(sorted({part.month for part in parts})) or "none"
        raise ArchiveError(
            f"No such part is in cold storage; it has those of the months: {there}. Nothing was changed."
        )
    return sorted(found, key=lambda part: part.youngest)


@contextmanager
def _as_zip(part: ColdPart, zip_path: Path, data_dir: Path, report: ReturnReport, progress: Progress) -> Iterator[Path]:
    """The part, checked, as a ZIP of chunks beside the others, under no name of theirs yet; its blobs are in place."""
    with scratch_directory(data_dir) as scratch:
        refuse_too_large(2 * part.size, zip_path.parent)
        with downloaded(part, scratch, progress) as path:
            report.bytes_received += part.size
            check_part(path, scratch, progress)
            with open_zip(path) as archive:
                report.blobs += restore_blobs(archive, data_dir, progress)
            ready = successor_of(zip_path)
            ready.unlink(missing_ok=True)
            try:
                build_part(path, [chunk.chunk for chunk in part.chunks], {}, ready, progress)
                if archive_zips(zip_path):
                    shutil.copymode(archive_zips(zip_path)[-1], ready)
                yield ready
            finally:
                ready.unlink(missing_ok=True)


def _place(ready: Path, part: ColdPart, zip_path: Path, report: ReturnReport) -> None:
    """Under the day of its youngest example, so that readers meet it in its turn."""
    path = free_dated_name(zip_path, part.youngest)
    ready.rename(path)
    fsync_directory(path.parent)
    report.parts.append(part.name)
    report.zips.append(path.name)
    report.chunks += len(part.chunks)
    report.rows += part.rows
