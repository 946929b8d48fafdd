"""Many small chunks become one for each month."""

import logging
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZipFile

from capture_app.conf import capture_settings
from capture_app.files import scratch_directory
from capture_app.progress import Progress, silent
from training_archive.archive_set import read_sidecars
from training_archive.chunks import CHUNK_SUFFIX, Sidecar, check_chunk, is_chunk_name, merged_name
from training_archive.cold.settling import settled_ledger
from training_archive.compaction import merge
from training_archive.conf import archive_settings
from training_archive.dated_names import archive_zips
from training_archive.exceptions import ArchiveError
from training_archive.locks import only_run
from training_archive.records import remember_change
from training_archive.removed_chunks import leaving_chunks
from training_archive.sealed import sealed_files, sealed_folder
from training_archive.zip_archive import ChunkMember, extract_checked, list_chunks, open_zip, read_sidecar
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
    it was. Of an id that several chunks of a month hold, the first one stays, as every reader has it.

    Raises ArchiveBusy while another run works, ArchiveError or ArchiveDamaged when a ZIP cannot be read or written.
    """
    started = time.monotonic()
    conf = archive_settings()
    zip_path = (zip_path or conf.zip_path).resolve()
    with only_run(sealed_folder(), zip_path):
        paths = archive_zips(zip_path)
        if not paths:
            raise ArchiveError(f"There is no archive at {zip_path}. Nothing was changed; check --zip-path.")
        for path in paths:
            read_sidecars(path)  # one that is unreadable is told before any of them is changed
        settled_ledger(zip_path)  # what a killed move to cold storage left is known by the names that are merged
        before = _size(paths)
        merged: list[Merged] = []
        try:
            for path in paths:
                merged += _merge_zip(zip_path, path, this_month, conf.compresslevel, progress)
        finally:
            remember_change(zip_path)
        after = _size(paths)
    logger.info("Merged %d chunks into %d.", sum(len(found.sources) for found in merged), len(merged))
    seconds = time.monotonic() - started
    return MergeReport(zip_path=zip_path, merged=merged, bytes_before=before, bytes_after=after, seconds=seconds)


def _size(paths: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def _merge_zip(zip_path: Path, path: Path, this_month: bool, compresslevel: int, progress: Progress) -> list[Merged]:
    with scratch_directory(capture_settings().data_dir) as scratch:
        replace: dict[str, NewChunk | None] = {}
        merged: list[Merged] = []
        with open_zip(path) as archive:
            names = {member.name for member in list_chunks(archive)}
            for group in _months(_finished(archive, zip_path), this_month):
                files = _extracted(archive, group, scratch, progress)
                names.difference_update(member.name for member, _ in group)
                chunk = scratch / (_free_name(group, names) + CHUNK_SUFFIX)
                names.add(chunk.stem)
                sidecar = merge(files, chunk, scratch=scratch)
                check_chunk(chunk, sidecar, scratch=scratch)
                sources = [source.name for source, _ in group]
                replace |= {**dict.fromkeys(sources), sources[0]: NewChunk(chunk, sidecar)}
                merged.append(Merged(zip_name=path.name, chunk=sidecar, sources=sources))
        if replace:
            rewrite_zip(path, replace, compresslevel=compresslevel, progress=progress)
    return merged


def _finished(archive: ZipFile, zip_path: Path) -> list[Described]:
    """The chunks that no other run comes back to: it knows by the name what it had done before it was killed."""
    waiting = {path.stem for path in sealed_files()} | leaving_chunks(zip_path)
    return [(member, read_sidecar(archive, member)) for member in list_chunks(archive) if member.name not in waiting]


def _months(members: Sequence[Described], this_month: bool) -> Iterator[list[Described]]:
    """The chunks that belong together, in the order of the ZIP: those of a month that has more than one."""
    months: defaultdict[str, list[Described]] = defaultdict(list)
    for member, sidecar in members:
        months[f"{datetime.fromisoformat(sidecar.created_at).astimezone(UTC):%Y-%m}"].append((member, sidecar))
    if not this_month:
        months.pop(f"{datetime.now(UTC):%Y-%m}", None)
    for group in months.values():
        if len(group) > 1:
            yield group


def _free_name(group: Sequence[Described], taken: Collection[str]) -> str:
    """The name of the chunk that takes the place of the group: the first one's own when the usual one will not do."""
    name = merged_name([sidecar for _, sidecar in group])
    return name if is_chunk_name(name) and name not in taken else group[0][0].name


def _extracted(
    archive: ZipFile, group: Sequence[Described], scratch: Path, progress: Progress
) -> Iterator[tuple[Path, Sidecar]]:
    """One chunk after the other, checked against its sidecar; each is deleted before the next."""
    for member, sidecar in group:
        path = extract_checked(archive, member, sidecar, scratch, progress)
        try:
            yield path, sidecar
        finally:
            path.unlink(missing_ok=True)
