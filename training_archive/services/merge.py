"""Many small chunks become one for each month."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZipFile

from capture_app.conf import capture_settings
from capture_app.files import scratch_directory
from capture_app.progress import Progress, silent
from training_archive.archive_set import archive_zips
from training_archive.chunks import CHUNK_SUFFIX, Sidecar, check_chunk, merge, merged_name
from training_archive.conf import archive_settings
from training_archive.exceptions import ArchiveError
from training_archive.locks import only_run
from training_archive.records import remember_archive
from training_archive.sealed import sealed_folder
from training_archive.zip_archive import ChunkMember, check_member, extract_chunk, list_chunks, open_zip, read_sidecar
from training_archive.zip_writer import NewChunk, rewrite_zip

logger = logging.getLogger("training_archive")

Described = tuple[ChunkMember, Sidecar]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """One chunk that took the place of several."""

    zip_name: str
    chunk: Sidecar
    sources: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeReport:
    """What was merged."""

    zip_path: Path
    merged: list[Merged]
    bytes_before: int  # of all ZIPs
    bytes_after: int
    seconds: float


def merge_chunks(*, zip_path: Path | None = None, this_month: bool = False, progress: Progress = silent) -> MergeReport:
    """Merge the chunks archived in one month (in UTC) into one, in each ZIP; those of this month only on request.

    A ZIP is replaced once all its merged chunks are written and read back, as an append does it: interrupted, it is as
    it was. Of an id that several chunks hold, the first one stays, as every reader has it.

    Raises ArchiveBusy while another run works, ArchiveError or ArchiveDamaged when a ZIP cannot be read or written.
    """
    started = time.monotonic()
    conf = archive_settings()
    zip_path = (zip_path or conf.zip_path).resolve()
    with only_run(sealed_folder(), zip_path):
        paths = archive_zips(zip_path)
        if not paths:
            raise ArchiveError(f"There is no archive at {zip_path}. Nothing was changed; check --zip-path.")
        before = _size(paths)
        merged = [found for path in paths for found in _merge_zip(path, this_month, conf.compresslevel, progress)]
        remember_archive(zip_path)
        after = _size(paths)
    logger.info("Merged %d chunks into %d.", sum(len(found.sources) for found in merged), len(merged))
    seconds = time.monotonic() - started
    return MergeReport(zip_path=zip_path, merged=merged, bytes_before=before, bytes_after=after, seconds=seconds)


def _size(paths: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def _merge_zip(path: Path, this_month: bool, compresslevel: int, progress: Progress) -> list[Merged]:
    with scratch_directory(capture_settings().data_dir) as scratch:
        made: list[NewChunk] = []
        merged: list[Merged] = []
        with open_zip(path) as archive:
            members = [(member, read_sidecar(archive, member)) for member in list_chunks(archive)]
            for group in _months(members, this_month):
                files = _extracted(archive, group, scratch, progress)
                chunk = scratch / (merged_name([sidecar for _, sidecar in group]) + CHUNK_SUFFIX)
                sidecar = merge(files, chunk, scratch=scratch)
                check_chunk(chunk, sidecar, scratch=scratch)
                made.append(NewChunk(chunk, sidecar))
                sources = [source.name for source, _ in group]
                merged.append(Merged(zip_name=path.name, chunk=sidecar, sources=sources))
        if made:
            gone = [name for found in merged for name in found.sources]
            rewrite_zip(path, without=gone, chunks=made, compresslevel=compresslevel, progress=progress)
    return merged


def _months(members: Sequence[Described], this_month: bool) -> Iterator[list[Described]]:
    """The chunks that belong together, oldest first: those of a month that has more than one."""
    months: defaultdict[str, list[Described]] = defaultdict(list)
    for member, sidecar in sorted(members, key=lambda described: described[0].name):
        months[f"{datetime.fromisoformat(sidecar.created_at).astimezone(UTC):%Y-%m}"].append((member, sidecar))
    if not this_month:
        months.pop(f"{datetime.now(UTC):%Y-%m}", None)
    for group in months.values():
        if len(group) > 1:
            yield group


def _extracted(
    archive: ZipFile, group: Sequence[Described], scratch: Path, progress: Progress
) -> Iterator[tuple[Path, Sidecar]]:
    """One chunk after the other, checked against its sidecar; each is deleted before the next."""
    for member, sidecar in group:
        check_member(archive, member, sidecar, progress)
        path = extract_chunk(archive, member, scratch, progress)
        try:
            yield path, sidecar
        finally:
            path.unlink()
