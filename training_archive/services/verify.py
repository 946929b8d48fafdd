"""Whether the archive is what it says it is."""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from capture_app.conf import capture_settings
from capture_app.files import scratch_directory
from capture_app.progress import Progress, silent
from training_archive.chunks import SIDECAR_SUFFIX, Sidecar, check_chunk, is_chunk_name
from training_archive.conf import archive_settings
from training_archive.dated_names import archive_zips
from training_archive.exceptions import ArchiveDamaged, ArchiveError
from training_archive.models import ArchiveRun
from training_archive.runs import SHELL, recording
from training_archive.zip_archive import (
    ChunkMember,
    extract_checked,
    list_chunks,
    member_blocks,
    open_zip,
    read_sidecar,
)
from training_archive.zip_names import is_plain_name, shown

STRAY: Final = "no chunk belongs to it"
_DUCKDB_WORDS: Final = re.compile(r"(DuckDB does not (?:read|open) it): ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A member of a ZIP that is not what it says it is, or a whole ZIP."""

    zip_name: str
    member: str  # "" when it is the ZIP itself
    reason: str

    def __str__(self) -> str:
        return ": ".join(filter(None, [self.zip_name, self.member, self.reason]))


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What reading every member of every ZIP found."""

    zip_path: Path  # the active one
    zips: list[str]  # their names, oldest first
    chunks: list[Sidecar]  # the sound ones
    problems: list[Problem]


def verify_archive(
    *,
    zip_path: Path | None = None,
    progress: Progress = silent,
    requested_by: str = SHELL,
    run_id: int | None = None,
) -> VerifyReport:
    """Read every member of every ZIP: CRC, SHA-256, size, sidecar, and whether DuckDB opens it and finds the rows.

    `run_id` is that of a verification which somebody asked for (see runs). Raises ArchiveError when there is no ZIP at
    all, RunNotWaiting when the run `run_id` was cancelled or has begun.
    """
    usual = archive_settings().zip_path.resolve()
    zip_path = (zip_path or usual).resolve()
    with recording(
        ArchiveRun.Kind.VERIFY,
        zip_path=zip_path,
        recorded=zip_path == usual,
        by=requested_by,
        run_id=run_id,
        progress=progress,
    ) as run:
        report = _verify(zip_path, run.progress)
        rows = sum(chunk.rows for chunk in report.chunks)
        problems = [_without_content(problem) for problem in report.problems]
        run.found(rows=rows, chunks=len(report.chunks), problems=problems)
    return report


def _without_content(problem: Problem) -> dict[str, str]:
    """For the run's record. DuckDB's own words of what it cannot read may quote it."""
    words = _DUCKDB_WORDS.split(problem.reason)
    return {**asdict(problem), "reason": "".join(words[:2])}


def _verify(zip_path: Path, progress: Progress) -> VerifyReport:
    checked: dict[Path, tuple[list[Sidecar], list[Problem]]] = {}
    waiting = archive_zips(zip_path) or [zip_path]  # a missing one says how to make it
    with scratch_directory(capture_settings().data_dir) as scratch:
        while waiting:
            for path in waiting:
                checked[path] = _check_if_there(path, zip_path, scratch, progress)
            waiting = [path for path in archive_zips(zip_path) if path not in checked]  # rolled over meanwhile
    return VerifyReport(
        zip_path=zip_path,
        zips=[path.name for path in checked],
        chunks=list({chunk.chunk: chunk for sound, _ in checked.values() for chunk in sound}.values()),
        problems=[problem for _, problems in checked.values() for problem in problems],
    )


def _check_if_there(
    path: Path, zip_path: Path, scratch: Path, progress: Progress
) -> tuple[list[Sidecar], list[Problem]]:
    """Nothing when the ZIP was rolled over since it was listed: it is checked under its new name."""
    try:
        return check_file(path, scratch, progress)
    except ArchiveError:
        if path.exists() or not archive_zips(zip_path):
            raise
        return [], []


def check_file(path: Path, scratch: Path, progress: Progress = silent) -> tuple[list[Sidecar], list[Problem]]:
    """The sidecars of the ZIP's sound chunks, and what is wrong with the others or with the ZIP itself."""
    sound: list[Sidecar] = []
    problems: list[Problem] = []
    try:
        with open_zip(path) as archive:
            for found in check_zip(archive, scratch, progress):
                if isinstance(found, Sidecar):
                    sound.append(found)
                else:
                    problems.append(found)
    except ArchiveDamaged as error:
        problems.append(Problem(zip_name=path.name, member="", reason=str(error)))
    return sound, problems


def check_zip(archive: zipfile.ZipFile, scratch: Path, progress: Progress = silent) -> Iterator[Sidecar | Problem]:
    """The sidecar of each sound chunk, and what is wrong with the others."""
    name = Path(str(archive.filename)).name
    members = list_chunks(archive)
    for stray in _strays(archive.infolist(), members):
        yield Problem(zip_name=name, member=shown(stray.filename), reason=_stray_reason(archive, stray))
    for member in members:
        try:
            sidecar = read_sidecar(archive, member)
        except ArchiveDamaged as error:
            yield _problem(name, member.sidecar_info.filename if member.sidecar_info else member.info.filename, error)
            continue
        try:
            check_member_whole(archive, member, sidecar, scratch, progress)
        except ArchiveDamaged as error:
            yield _problem(name, member.info.filename, error)
        else:
            yield sidecar


def check_member_whole(
    archive: zipfile.ZipFile, member: ChunkMember, sidecar: Sidecar, scratch: Path, progress: Progress
) -> None:
    """ArchiveDamaged unless the member is what its sidecar says, and a database that DuckDB opens."""
    path = extract_checked(archive, member, sidecar, scratch, progress)
    try:
        check_chunk(path, sidecar, scratch=scratch)
    finally:
        path.unlink()


def _problem(zip_name: str, member: str, error: ArchiveDamaged) -> Problem:
    return Problem(zip_name=zip_name, member=member, reason=str(error).removeprefix(f"{member}: "))


def _strays(infos: list[zipfile.ZipInfo], members: list[ChunkMember]) -> list[zipfile.ZipInfo]:
    known = {info.filename for member in members for info in (member.info, member.sidecar_info) if info is not None}
    return [info for info in infos if info.filename not in known]


def _stray_reason(archive: zipfile.ZipFile, stray: zipfile.ZipInfo) -> str:
    """Why it is not ours, and whether it does harm to whoever unzips it."""
    is_sidecar = is_chunk_name(stray.filename.removesuffix(SIDECAR_SUFFIX))
    if not is_plain_name(stray.filename) and not is_sidecar:
        return f"{STRAY}, and it should not be unzipped: its name is no plain file name"
    try:
        for _ in member_blocks(archive, stray):
            pass
    except ArchiveDamaged as error:
        return f"{STRAY}, and it is damaged: {str(error).removeprefix(f'{stray.filename}: ')}"
    return STRAY
