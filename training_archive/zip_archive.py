"""Reading a ZIP of chunks that may come from anywhere: nothing in it is trusted, least of all its directory."""

import hashlib
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capture_app.progress import Progress, silent
from training_archive.chunks import CHUNK_SUFFIX, SIDECAR_SUFFIX, Sidecar, is_chunk_name, sha256_of
from training_archive.exceptions import ArchiveDamaged, ArchiveError
from training_archive.zip_layout import ENCRYPTED, HEAD_BYTES, Head, Stream, read_directory, read_head

LARGEST_SIDECAR: Final = 16 * 2**20  # bytes; ours have a few kilobytes

# A database of one row deflates to 1/150 and is small; one that is large holds compressed text and deflates to 1/1.
LARGEST_RATIO: Final = 200
SMALL: Final = 64 * 2**20  # bytes

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
    with ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb"))
            directory = read_directory(file)  # before zipfile holds all of it in memory
            archive = stack.enter_context(zipfile.ZipFile(file))
            if (len(archive.infolist()), archive.start_dir) != (directory.members, directory.offset):
                raise zipfile.BadZipFile("its directory holds something else than its end says.")
        except FileNotFoundError as error:
            raise ArchiveError(
                f"There is no archive at {path} yet. Run `manage.py archive_training_data` first; on a training "
                "host, `manage.py fetch_archive`."
            ) from error
        except ZIP_ERRORS as error:
            raise ArchiveDamaged(
                f"{path} is not readable as a ZIP: {str(error).rstrip('.')}. It was not changed, and what is not in it "
                "yet is safe. Save what is readable with `manage.py verify_archive --repair`, or take the ZIP from a "
                "copy."
            ) from error
        except OSError as error:
            raise ArchiveError(f"{path} cannot be opened: {error.strerror}. Nothing was changed.") from error
        yield archive


def list_chunks(archive: zipfile.ZipFile) -> list[ChunkMember]:
    """The chunks in the order in which they were added. Other members are left alone.

    ArchiveDamaged when the directory as a whole is not to be trusted: a name twice, a name that hides another, members
    that lie over each other or do not begin at the beginning.
    """
    members = {info.filename: info for info in archive.infolist()}
    if len(members) != len(archive.infolist()):
        raise ArchiveDamaged(f"{archive.filename} holds two members of the same name.")
    _refuse_hidden_names(archive)
    _refuse_overlaps(archive)
    return [
        ChunkMember(name, info, members.get(name + SIDECAR_SUFFIX))
        for filename, info in members.items()
        if filename.endswith(CHUNK_SUFFIX) and is_chunk_name(name := filename.removesuffix(CHUNK_SUFFIX))
    ]


def _refuse_hidden_names(archive: zipfile.ZipFile) -> None:
    """zipfile cuts a name at its first NUL, and newer ones take it from an extra field: others see another name."""
    for info in archive.infolist():
        if info.filename != info.orig_filename:
            raise ArchiveDamaged(f"{archive.filename} holds a member with two names, {info.orig_filename!a}.")


def _refuse_overlaps(archive: zipfile.ZipFile) -> None:
    """Each byte belongs to one member: small ZIPs cannot then hold much, however they are read."""
    end = 0
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise ArchiveDamaged(f"{archive.filename} holds members that overlap, as no honest ZIP does.")
        if not end and info.header_offset:
            raise ArchiveDamaged(f"{archive.filename} has something before its first member.")
        end = info.header_offset + HEAD_BYTES + len(info.filename) + info.compress_size
    if end > archive.start_dir:
        raise ArchiveDamaged(f"{archive.filename} has a member that reaches into the directory.")


def list_all_chunks(archive: zipfile.ZipFile) -> list[ChunkMember]:
    """As list_chunks, for who reads everything: ArchiveDamaged too when a sidecar tells of a chunk that is gone."""
    chunks = list_chunks(archive)
    there = {chunk.name for chunk in chunks}
    for filename in archive.namelist():
        name = filename.removesuffix(SIDECAR_SUFFIX)
        if filename.endswith(SIDECAR_SUFFIX) and is_chunk_name(name) and name not in there:
            raise ArchiveDamaged(
                f"{archive.filename} has lost the chunk of {filename}. See `manage.py verify_archive`."
            )
    return chunks


def find_chunk(archive: zipfile.ZipFile, name: str) -> ChunkMember | None:
    return next((member for member in list_chunks(archive) if member.name == name), None)


def read_sidecar(archive: zipfile.ZipFile, member: ChunkMember) -> Sidecar:
    """The chunk's sidecar; ArchiveDamaged when it is missing or unreadable."""
    info = member.sidecar_info
    if info is None:
        raise ArchiveDamaged(f"{member.name}{CHUNK_SUFFIX} has no sidecar.")
    if info.file_size > LARGEST_SIDECAR:
        raise ArchiveDamaged(f"{info.filename} claims {info.file_size} bytes; no sidecar is that large.")
    content = b"".join(member_blocks(archive, info))
    try:
        return Sidecar.from_json(content)
    except ArchiveDamaged as error:
        raise ArchiveDamaged(f"{info.filename}: {error}") from error


def check_member(archive: zipfile.ZipFile, member: ChunkMember, sidecar: Sidecar, progress: Progress = silent) -> None:
    """Read the whole chunk; ArchiveDamaged unless its CRC, size and SHA-256 are what ZIP and sidecar say."""
    digest = hashlib.sha256()
    for block in _blocks(archive, member, progress):
        digest.update(block)
    _refuse_untrue(member, sidecar, digest.hexdigest())


def _refuse_untrue(member: ChunkMember, sidecar: Sidecar, sha256: str) -> None:
    if sha256 != sidecar.sha256:
        raise ArchiveDamaged(f"{member.info.filename}: its SHA-256 is not the one in its sidecar")
    if (member.name, member.info.file_size) != (sidecar.chunk, sidecar.size):
        raise ArchiveDamaged(f"{member.info.filename}: its sidecar is another chunk's")


def extract_chunk(archive: zipfile.ZipFile, member: ChunkMember, folder: Path, progress: Progress = silent) -> Path:
    """Write the chunk into `folder` under its own, checked name. Never more than the ZIP's directory declares."""
    _check_head(archive, member)
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


def extract_checked(
    archive: zipfile.ZipFile, member: ChunkMember, sidecar: Sidecar, folder: Path, progress: Progress = silent
) -> Path:
    """As extract_chunk and check_member in one reading; what is not as the sidecar says does not stay in the folder."""
    path = extract_chunk(archive, member, folder, progress)
    try:
        _refuse_untrue(member, sidecar, sha256_of(path))
    except BaseException:
        path.unlink()
        raise
    return path


def _check_head(archive: zipfile.ZipFile, member: ChunkMember) -> None:
    try:
        open_member(archive, member.info)
    except ZIP_ERRORS as error:
        raise ArchiveDamaged(f"{member.info.filename}: {error}") from error


def _blocks(archive: zipfile.ZipFile, member: ChunkMember, progress: Progress) -> Iterator[bytes]:
    done = 0
    for block in member_blocks(archive, member.info):
        done += len(block)
        progress(f"reading {member.name}", done, member.info.file_size)
        yield block


def member_blocks(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """A member's content, a megabyte at most at a time. ArchiveDamaged unless head, directory and data agree on it."""
    done = crc = 0
    try:
        for block in open_member(archive, info):
            done += len(block)
            if done > info.file_size:
                break
            crc = zlib.crc32(block, crc)
            yield block
    except ZIP_ERRORS as error:
        raise ArchiveDamaged(f"{info.filename}: {error}") from error
    if done != info.file_size:
        than = "goes on after" if done > info.file_size else f"ends after {done} of"
        raise ArchiveDamaged(f"{info.filename}: it {than} {info.file_size} bytes")
    if crc != info.CRC:
        raise ArchiveDamaged(f"{info.filename}: Bad CRC-32")


def open_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Stream:
    """The member's data, when its head and what the directory says of it can be believed; BadZipFile if not."""
    if archive.fp is None:
        raise ValueError("the ZIP was closed.")
    head = read_head(archive.fp, info.header_offset)
    _refuse_odd_member(info, head, archive.start_dir)
    return Stream(archive.fp, head.start, info.compress_size, info.compress_type)


def _refuse_odd_member(info: zipfile.ZipInfo, head: Head, directory_start: int) -> None:
    """BadZipFile for what no archive of ours holds, and for what a small file could not honestly be."""
    if (info.flag_bits | head.flags) & ENCRYPTED:
        raise zipfile.BadZipFile("it is encrypted, and no chunk is.")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if info.is_dir() or (kind and not stat.S_ISREG(kind)):
        raise zipfile.BadZipFile("it is no file but a folder, a link or a device.")
    different = head.differs_from(info)
    if different:
        raise zipfile.BadZipFile(f"its head says something else than the directory: {different}.")
    if head.start + info.compress_size > directory_start:
        raise zipfile.BadZipFile("it reaches into the directory.")
    if info.file_size > LARGEST_RATIO * info.compress_size + SMALL:
        raise zipfile.BadZipFile(
            f"it claims {info.file_size} bytes in {info.compress_size}, as a bomb does; no chunk is so empty."
        )
