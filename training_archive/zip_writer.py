"""Writing the ZIP: it is replaced, never edited.

zipfile's append mode overwrites the central directory in place, so a kill at the wrong moment makes the whole history
unreadable. Here a change is made to a copy, the new members are read back, and the copy takes the place of the old file
in one rename. A reader that opened the old file goes on reading it whole.
"""

import os
import shutil
import zipfile
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from capture_app.files import fsync_directory, fsync_file
from capture_app.progress import Progress, silent
from training_archive.chunks import CHUNK_SUFFIX, SIDECAR_SUFFIX, Sidecar
from training_archive.dated_names import is_name_in_set
from training_archive.deflate import ParallelDeflate
from training_archive.exceptions import ArchiveDamaged, ArchiveError
from training_archive.zip_archive import ZIP_ERRORS, check_member, find_chunk, list_chunks, open_zip, read_sidecar

_READ_BYTES: Final = 2**20
_COPY_BYTES: Final = 2**24
_SUCCESSOR: Final = ".appending"  # ends the name of a ZIP in the making


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A chunk that is to come into a ZIP."""

    path: Path
    sidecar: Sidecar


def append_chunk(
    zip_path: Path, chunk: Path, sidecar: Sidecar, *, compresslevel: int, progress: Progress = silent
) -> None:
    """Add a chunk and its sidecar to the ZIP, which is made if missing. All or nothing, whenever it is interrupted.

    Raises ArchiveDamaged when the ZIP is unreadable, ArchiveError when the disk refuses; both leave the ZIP as it was.
    """
    zip_path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(zip_path, "appended to", "the new examples are safe in the sealed folder") as temporary:
        _copy(zip_path, temporary, progress)
        with _flushing(temporary):
            with zipfile.ZipFile(temporary, "a", zipfile.ZIP_DEFLATED) as archive:
                add_chunk(archive, NewChunk(chunk, sidecar), compresslevel, progress)
            _read_back(temporary, sidecar, progress)
        fsync_file(temporary)
        temporary.replace(zip_path)


def rewrite_zip(
    zip_path: Path, replace: Mapping[str, NewChunk | None], *, compresslevel: int, progress: Progress = silent
) -> None:
    """Put other chunks, or none, in the place of those that are named, all in one replacement or not at all.

    What stays is copied as it is, byte for byte, and not compressed again, and the order stays: readers take the first
    of equal ids. Raises as `append_chunk`.
    """
    zip_path = zip_path.resolve()  # of a link, what it leads to has the bytes
    with replacing(zip_path, "rewritten", "everything in it is as it was") as temporary:
        with zipfile.ZipFile(zip_path) as old, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as new:
            new.comment = old.comment
            kept = {info.filename for info in _without(old, replace)}
            copier = MemberCopier(old, new, progress)
            for info in old.infolist():
                chunk = replace.get(info.filename.removesuffix(CHUNK_SUFFIX))
                if info.filename in kept:
                    copier.copy(info)
                elif chunk is not None and info.filename.endswith(CHUNK_SUFFIX):
                    _refuse_taken(chunk, kept)
                    add_chunk(new, chunk, compresslevel, progress)
        for chunk in filter(None, replace.values()):
            _read_back(temporary, chunk.sidecar, progress)
        shutil.copymode(zip_path, temporary)
        fsync_file(temporary)
        temporary.replace(zip_path)


def remove_if_empty(zip_path: Path) -> None:
    """Remove a ZIP in which nothing is left, and the link to it. Raises ArchiveDamaged when it cannot be read."""
    with open_zip(zip_path) as archive:
        if archive.infolist():
            return
    target = zip_path.resolve()
    zip_path.unlink()  # a link that led nowhere would look like a disk that is not mounted
    target.unlink(missing_ok=True)
    fsync_directory(zip_path.parent)


def _refuse_taken(chunk: NewChunk, kept: Collection[str]) -> None:
    if chunk.sidecar.chunk + CHUNK_SUFFIX in kept:
        raise ValueError(f"it holds another chunk {chunk.sidecar.chunk}.")


@contextmanager
def replacing(zip_path: Path, done: str, safe: str) -> Iterator[Path]:
    """A name beside the ZIP to make its successor under; whatever goes wrong is told in our own terms."""
    temporary = successor_of(zip_path)
    try:
        yield temporary
    except (ArchiveDamaged, *ZIP_ERRORS) as error:
        raise ArchiveDamaged(
            f"{zip_path} cannot be {done}: {str(error).rstrip('.')}. It was not changed, and {safe}. See what is wrong "
            "with `manage.py verify_archive`, save what is readable with its --repair, or move the ZIP aside to begin "
            "another."
        ) from error
    except OSError as error:
        raise ArchiveError(
            f"{zip_path} could not be written: {error.strerror or error}. It is as it was, and {safe}. Free space or "
            "mend the folder, and run this again."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    fsync_directory(zip_path.parent)


def successor_of(zip_path: Path) -> Path:
    """The ZIP in the making; a killed run leaves it."""
    return zip_path.with_name(f".{zip_path.name}{_SUCCESSOR}")


def remove_unfinished(zip_path: Path) -> None:
    """Remove what killed runs left beside this ZIP and its dated ones. Only for who holds the archive's lock."""
    for path in zip_path.parent.glob(f".*{_SUCCESSOR}"):
        name = path.name[1:].removesuffix(_SUCCESSOR).replace(".repaired", "", 1)  # what a repair left, too
        if is_name_in_set(name, zip_path.name):
            path.unlink(missing_ok=True)


def _copy(source: Path, target: Path, progress: Progress) -> None:
    """Copy the ZIP as it is; the kernel shares the blocks where the file system can. No source: an empty file."""
    target.unlink(missing_ok=True)
    if not source.exists():
        target.touch()
        return
    if not zipfile.is_zipfile(source):
        raise zipfile.BadZipFile("it is no ZIP.")
    with source.open("rb") as old, target.open("wb") as new:
        size = os.fstat(old.fileno()).st_size
        for copied in copy_range(old, new, 0, size):
            progress("copying the ZIP", copied, size)
        shutil.copymode(source, target)


@contextmanager
def _flushing(path: Path) -> Iterator[None]:
    """What is in the file by now goes to the disk while the block is at work. What fails there is raised at its end."""
    with ThreadPoolExecutor(1) as thread:
        flushed = thread.submit(fsync_file, path)
        yield
        flushed.result()  # a later fsync need not tell of an earlier one's error


def copy_range(source: IO[bytes], target: IO[bytes], offset: int, size: int) -> Iterator[int]:
    """Copy `size` bytes from `offset` of the one to where the other stands; yields how many are copied so far."""
    target.flush()
    copied, place = 0, target.tell()
    while copied < size:
        wanted = min(_COPY_BYTES, size - copied)
        try:
            count = os.copy_file_range(source.fileno(), target.fileno(), wanted, offset + copied, place + copied)
        except OSError:  # a file system that has no such call; a real error comes again in the next line
            count = os.pwrite(target.fileno(), os.pread(source.fileno(), wanted, offset + copied), place + copied)
        if not count:
            raise EOFError("it ends in the middle of a member.")
        copied += count
        yield copied
    target.seek(place + size)


def put_compressed(archive: zipfile.ZipFile, info: zipfile.ZipInfo, source: IO[bytes], start: int) -> None:
    """Add a member whose data lies, compressed as `info` says, at `start` of `source`; it gets a head of its own."""
    target = archive.fp
    if target is None:
        raise ValueError("it was closed.")
    target.seek(archive.start_dir)
    info.header_offset = target.tell()
    target.write(info.FileHeader(zip64=True))
    for _ in copy_range(source, target, start, info.compress_size):
        pass
    _enter(archive, info, target)


class MemberCopier:
    """Brings members from one ZIP into another as they are, compressed, with their headers."""

    def __init__(self, old: zipfile.ZipFile, new: zipfile.ZipFile, progress: Progress) -> None:
        self._old, self._new, self._progress = old, new, progress
        starts = sorted(info.header_offset for info in old.infolist())
        self._ends = dict(zip(starts, [*starts[1:], old.start_dir], strict=True))

    def copy(self, info: zipfile.ZipInfo) -> None:
        source, target = self._old.fp, self._new.fp
        if source is None or target is None:
            raise ValueError("it was closed.")
        size = self._ends[info.header_offset] - info.header_offset
        if size <= info.compress_size:
            raise zipfile.BadZipFile(f"{info.filename} overlaps another member.")
        moved = copy(info)
        target.seek(self._new.start_dir)
        moved.header_offset = target.tell()
        for copied in copy_range(source, target, info.header_offset, size):
            self._progress(f"copying {info.filename}", copied, size)
        _enter(self._new, moved, target)


def _enter(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: IO[bytes]) -> None:
    """What ZipFile itself does after it has written a member; it offers no way to bring one that is compressed."""
    archive.filelist.append(info)
    archive.NameToInfo[info.filename] = info
    archive.start_dir = target.tell()


def _without(archive: zipfile.ZipFile, names: Collection[str]) -> list[zipfile.ZipInfo]:
    """The members of the ZIP but those of the named chunks; each kept one is read at its header, and found there."""
    gone = {name + suffix for name in names for suffix in (CHUNK_SUFFIX, SIDECAR_SUFFIX)}
    list_chunks(archive)  # raises for names twice, and for what points before the beginning
    kept = [info for info in archive.infolist() if info.filename not in gone]
    for info in kept:
        archive.open(info).close()
    return kept


def add_chunk(archive: zipfile.ZipFile, chunk: NewChunk, compresslevel: int, progress: Progress) -> None:
    sidecar = chunk.sidecar
    info = zipfile.ZipInfo.from_file(chunk.path, sidecar.chunk + CHUNK_SUFFIX)
    info.compress_type = zipfile.ZIP_DEFLATED
    with (
        ParallelDeflate(compresslevel) as compressor,
        chunk.path.open("rb") as source,
        archive.open(info, "w", force_zip64=True) as target,
    ):
        # zipfile offers no public way to bring one's own compressor; this attribute is the same since Python 3.6.
        target._compressor = compressor  # type: ignore[attr-defined]  # not public, as said above
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
