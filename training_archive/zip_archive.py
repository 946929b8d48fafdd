"""Reading a ZIP of chunks that may come from anywhere: nothing in it is trusted, least of all its directory."""

import hashlib
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capture_app.progress import Progress, silent
from training_archive.chunks import CHUNK_SUFFIX, SIDECAR_SUFFIX, Sidecar, is_chunk_name
from training_archive.exceptions import ArchiveDamaged, ArchiveError

_READ_BYTES: Final = 2**20
_LARGEST_SIDECAR: Final = 16 * 2**20  # bytes; ours have a few kilobytes

# What reading a damaged ZIP raises.
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)


@dataclass(frozen=True, slots=True)
class ChunkMember:
    """A chunk in a ZIP, as the ZIP's directory names it."""

    name: str  # without suffix; safe as a file name
    info: zipfile.ZipInfo
    sidecar_info: zipfile.ZipInfo | None


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open the ZIP for reading. ArchiveError when it is missing, ArchiveDamaged when unreadable."""
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise ArchiveError(
            f"There is no archive at {path} yet. Run `manage.py archive_training_data` first."
        ) from error
    except ZIP_ERRORS as error:
        raise ArchiveDamaged(
            f"{path} is not readable as a ZIP: {error}. It was not changed, and what is not in it yet is safe. Take it "
            "from a copy, or move it aside to begin another."
        ) from error
    except OSError as error:
        raise ArchiveError(f"{path} cannot be opened: {error.strerror}. Nothing was changed.") from error
    with archive:
        yield archive


def list_chunks(archive: zipfile.ZipFile) -> list[ChunkMember]:
    """The chunks in the order in which they were added. Other members are left alone; a name twice is damage."""
    members = {info.filename: info for info in archive.infolist()}
    if len(members) != len(archive.infolist()):
        raise ArchiveDamaged(f"{archive.filename} holds two members of the same name.")
    if any(info.header_offset < 0 for info in members.values()):
        raise ArchiveDamaged(f"{archive.filename} has a directory that points before its beginning.")
    return [
        ChunkMember(name, info, members.get(name + SIDECAR_SUFFIX))
        for filename, info in members.items()
        if filename.endswith(CHUNK_SUFFIX) and is_chunk_name(name := filename.removesuffix(CHUNK_SUFFIX))
    ]


def find_chunk(archive: zipfile.ZipFile, name: str) -> ChunkMember | None:
    return next((member for member in list_chunks(archive) if member.name == name), None)


def read_sidecar(archive: zipfile.ZipFile, member: ChunkMember) -> Sidecar:
    """The chunk's sidecar; ArchiveDamaged when it is missing or unreadable."""
    info = member.sidecar_info
    if info is None:
        raise ArchiveDamaged(f"{member.name}{CHUNK_SUFFIX} has no sidecar.")
    if info.file_size > _LARGEST_SIDECAR:
        raise ArchiveDamaged(f"{info.filename} claims {info.file_size} bytes; no sidecar is that large.")
    try:
        return Sidecar.from_json(archive.read(info))
    except ZIP_ERRORS as error:
        raise ArchiveDamaged(f"{info.filename}: {error}") from error


def check_member(archive: zipfile.ZipFile, member: ChunkMember, sidecar: Sidecar, progress: Progress = silent) -> None:
    """Read the whole chunk; ArchiveDamaged unless its CRC, size and SHA-256 are what ZIP and sidecar say."""
    digest = hashlib.sha256()
    for block in _blocks(archive, member, progress):
        digest.update(block)
    if digest.hexdigest() != sidecar.sha256:
        raise ArchiveDamaged(f"{member.info.filename}: its SHA-256 is not the one in its sidecar")
    if (member.name, member.info.file_size) != (sidecar.chunk, sidecar.size):
        raise ArchiveDamaged(f"{member.info.filename}: its sidecar is another chunk's")


def extract_chunk(archive: zipfile.ZipFile, member: ChunkMember, folder: Path, progress: Progress = silent) -> Path:
    """Write the chunk into `folder` under its own, checked name. Never more than the ZIP's directory declares."""
    free = shutil.disk_usage(folder).free
    if member.info.file_size > free:
        raise ArchiveError(
            f"{member.info.filename} needs {member.info.file_size} bytes and {folder} has {free} free. Free some, or "
            "set TMPDIR to a larger folder."
        )
    path = folder / (member.name + CHUNK_SUFFIX)
    with path.open("wb") as target:
        for block in _blocks(archive, member, progress):
            target.write(block)
    return path


def _blocks(archive: zipfile.ZipFile, member: ChunkMember, progress: Progress) -> Iterator[bytes]:
    size, done = member.info.file_size, 0
    try:
        with archive.open(member.info) as source:
            while block := source.read(_READ_BYTES):
                done += len(block)
                progress(f"reading {member.name}", done, size)
                yield block
    except ZIP_ERRORS as error:
        raise ArchiveDamaged(f"{member.info.filename}: {error}") from error
    if done != size:
        raise ArchiveDamaged(f"{member.info.filename}: it ends after {done} of {size} bytes")
