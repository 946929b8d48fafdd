"""Whether the archive is what it says it is."""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from capture_app.conf import capture_settings
from capture_app.files import scratch_directory
from capture_app.progress import Progress, silent
from training_archive.archive_set import archive_zips
from training_archive.chunks import Sidecar, check_chunk
from training_archive.conf import archive_settings
from training_archive.exceptions import ArchiveDamaged
from training_archive.zip_archive import (
    ChunkMember,
    check_member,
    extract_chunk,
    list_chunks,
    open_zip,
    read_sidecar,
)


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


def verify_archive(*, zip_path: Path | None = None, progress: Progress = silent) -> VerifyReport:
    """Read every member of every ZIP: CRC, SHA-256, size, sidecar, and whether DuckDB opens it and finds the rows.

    Raises ArchiveError when there is no ZIP at all.
    """
    zip_path = (zip_path or archive_settings().zip_path).resolve()
    paths = archive_zips(zip_path) or [zip_path]  # a missing one says how to make it
    sound: list[Sidecar] = []
    problems: list[Problem] = []
    with scratch_directory(capture_settings().data_dir) as scratch:
        for path in paths:
            try:
                with open_zip(path) as archive:
                    for found in check_zip(archive, scratch, progress):
                        if isinstance(found, Sidecar):
                            sound.append(found)
                        else:
                            problems.append(found)
            except ArchiveDamaged as error:
                problems.append(Problem(zip_name=path.name, member="", reason=str(error)))
    return VerifyReport(zip_path=zip_path, zips=[path.name for path in paths], chunks=sound, problems=problems)


def check_zip(archive: zipfile.ZipFile, scratch: Path, progress: Progress = silent) -> Iterator[Sidecar | Problem]:
    """The sidecar of each sound chunk, and what is wrong with the others."""
    name = Path(str(archive.filename)).name
    members = list_chunks(archive)
    for stray in _strays(archive.namelist(), members):
        yield Problem(zip_name=name, member=stray, reason="no chunk belongs to it")
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
    path = extract_chunk(archive, member, scratch, progress)
    try:
        check_member(archive, member, sidecar)
        check_chunk(path, sidecar, scratch=scratch)
    finally:
        path.unlink()


def _problem(zip_name: str, member: str, error: ArchiveDamaged) -> Problem:
    return Problem(zip_name=zip_name, member=member, reason=str(error).removeprefix(f"{member}: "))


def _strays(names: list[str], members: list[ChunkMember]) -> list[str]:
    known = {info.filename for member in members for info in (member.info, member.sidecar_info) if info is not None}
    return [name for name in names if name not in known]
