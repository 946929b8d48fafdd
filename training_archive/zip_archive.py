"""The ZIP: replaced, never edited.

zipfile's append mode overwrites the central directory in place, so a kill at the wrong moment makes the whole history
unreadable. Here an append goes into a copy, the new members are read back, and the copy takes the place of the old file
in one rename. A reader that opened the old file goes on reading it whole.
"""

import hashlib
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capture_app.files import fsync_directory, fsync_file
from capture_app.progress import Progress, silent
from training_archive.chunks import CHUNK_SUFFIX, SIDECAR_SUFFIX, Sidecar, is_chunk_name
from training_archive.deflate import ParallelDeflate
from training_archive.exceptions import ArchiveDamaged, ArchiveError

_READ_BYTES: Final = 2**20
_COPY_BYTES: Final = 2**24
_LARGEST_SIDECAR: Final = 16 * 2**20  # bytes; ours have a few kilobytes

# What reading a damaged ZIP raises.
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)


@dataclass(frozen=True, slots=True)
class ChunkMember:
    """A chunk in a ZIP, as the ZIP's directory names it."""

    name: str  # without suffix; safe as a file name
    info: zipfile.ZipInfo
    sidecar_info: zipfile.ZipInfo | None


def append_chunk(
    zip_path: Path, chunk: Path, sidecar: Sidecar, *, compresslevel: int, progress: Progress = silent
) -> None:
    """Add a chunk and its sidecar to the ZIP, which is made if missing. All or nothing, whenever it is interrupted.

    Raises ArchiveDamaged when the ZIP is unreadable, ArchiveError when the disk refuses; both leave the ZIP as it was.
    """
    zip_path.parent.mkdir(parents=True, exist_ok=True)
    temporary = zip_path.with_name(f".{zip_path.name}.appending")
    try:
        _copy(zip_path, temporary, progress)
        _add_members(temporary, chunk, sidecar, compresslevel, progress)
        _read_back(temporary, sidecar, progress)
        fsync_file(temporary)
        temporary.replace(zip_path)
    except ZIP_ERRORS as error:
        raise ArchiveDamaged(
            f"{zip_path} cannot be appended to: {error} It was not changed, and the new examples are safe in the "
            "sealed folder. See what is wrong with `manage.py verify_archive`, or move the ZIP aside to begin another."
        ) from error
    except OSError as error:
        raise ArchiveError(
            f"{zip_path} could not be written: {error.strerror or error}. It is as it was, and the new examples are "
            "safe in the sealed folder. Free space or mend the folder, and run the archive again."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    fsync_directory(zip_path.parent)


def _copy(source: Path, target: Path, progress: Progress) -> None:
    """Copy the ZIP as it is; the kernel shares the blocks where the file system can. No source: nothing to copy."""
    target.unlink(missing_ok=True)
    if not source.exists():
        return
    if not zipfile.is_zipfile(source):
        raise zipfile.BadZipFile("it is no ZIP.")
    with source.open("rb") as old, target.open("wb") as new:
        size, copied = os.fstat(old.fileno()).st_size, 0
        try:
            while count := os.copy_file_range(old.fileno(), new.fileno(), _COPY_BYTES):
                copied += count
                progress("copying the ZIP", copied, size)
        except OSError:  # a file system that has no such call; a real error comes again below
            new.truncate(0)
            new.seek(0)
            old.seek(0)
            shutil.copyfileobj(old, new, _COPY_BYTES)
        shutil.copymode(source, target)


def _add_members(path: Path, chunk: Path, sidecar: Sidecar, compresslevel: int, progress: Progress) -> None:
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=compresslevel) as archive:
        info = zipfile.ZipInfo.from_file(chunk, sidecar.chunk + CHUNK_SUFFIX)
        info.compress_type = zipfile.ZIP_DEFLATED
        with (
            ParallelDeflate(compresslevel) as compressor,
            chunk.open("rb") as source,
            archive.open(info, "w", force_zip64=True) as target,
        ):
            # zipfile offers no public way to bring one's own compressor; this attribute is the same since Python 3.6.
            target._compressor = compressor  # type: ignore[attr-defined]
            written = 0
            while block := source.read(_READ_BYTES):
                target.write(block)
                written += len(block)
                progress("compressing the chunk", written, sidecar.size)
        archive.writestr(sidecar.chunk + SIDECAR_SUFFIX, sidecar.to_json(), compresslevel=compresslevel)


def _read_back(path: Path, sidecar: Sidecar, progress: Progress) -> None:
    with open_zip(path) as archive:
        member = find_chunk(archive, sidecar.chunk)
        if member is None or read_sidecar(archive, member) != sidecar:
            raise zipfile.BadZipFile("the new sidecar did not come back as it was written.")
        check_member(archive, member, sidecar, progress)


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
