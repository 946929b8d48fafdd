"""Parts: ZIPs of chunks and of the images and files that these refer to. How they are made, checked and taken apart."""

import hashlib
import os
import re
import shutil
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from capture_app.blobs import FOLDER, blob_path
from capture_app.files import fsync_directory, fsync_file
from capture_app.progress import Progress
from training_archive.chunks import CHUNK_SUFFIX, SIDECAR_SUFFIX, Sidecar, check_chunk, sha256_of
from training_archive.exceptions import ArchiveDamaged, ArchiveError
from training_archive.shipping.manifest import blob_name
from training_archive.zip_archive import (
    check_member,
    extract_checked,
    find_chunk,
    list_all_chunks,
    list_chunks,
    member_blocks,
    open_zip,
    read_sidecar,
)
from training_archive.zip_layout import MOST_MEMBERS
from training_archive.zip_writer import MemberCopier

MOST_BLOBS: Final = MOST_MEMBERS - 10_000  # in one part; beside them are two members for each chunk
_BLOB = re.compile(rf"{FOLDER}/([0-9a-f]{{2}})/(\1[0-9a-f]{{62}})", re.ASCII)
_BLOCK: Final = 2**20
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # of members that have no time of their own: the same part has the same hash


def build_part(
    source: Path, chunks: Collection[str], blobs: Mapping[str, Path], target: Path, progress: Progress
) -> list[Sidecar]:
    """Write the new ZIP `target`: chunks of the ZIP `source`, byte for byte as they are there, and blobs by hash.

    All of it is read back; the sidecars. Raises ArchiveDamaged when a chunk is not what it should be.
    """
    names = [chunk + suffix for chunk in chunks for suffix in (CHUNK_SUFFIX, SIDECAR_SUFFIX)]
    with open_zip(source) as old, zipfile.ZipFile(target, "w") as new:
        list_chunks(old)  # raises for a directory that is not to be trusted
        copier = MemberCopier(old, new, progress)
        for name in names:
            copier.copy(old.getinfo(name))
        for number, (sha256, path) in enumerate(sorted(blobs.items())):
            _add_blob(new, sha256, path)
            progress("packing blobs", number + 1, len(blobs))
    fsync_file(target)
    with open_zip(target) as archive:
        return [_checked(archive, chunk, progress) for chunk in chunks]


def _add_blob(archive: zipfile.ZipFile, sha256: str, path: Path) -> None:
    info = zipfile.ZipInfo(blob_name(sha256), _EPOCH)
    with path.open("rb") as blob, archive.open(info, "w", force_zip64=True) as member:
        shutil.copyfileobj(blob, member, _BLOCK)


def _checked(archive: zipfile.ZipFile, chunk: str, progress: Progress) -> Sidecar:
    member = find_chunk(archive, chunk)
    if member is None:
        raise ArchiveDamaged(f"{archive.filename} did not come out as it should: {chunk} is missing.")
    sidecar = read_sidecar(archive, member)
    check_member(archive, member, sidecar, progress)
    return sidecar


def sound_blobs(hashes: Iterable[str], data_dir: Path) -> dict[str, Path]:
    """Those of the blobs that are here, and are what their names say, each with its path."""
    paths = {sha256: blob_path(data_dir, sha256) for sha256 in hashes}
    return {sha256: path for sha256, path in paths.items() if path.is_file() and sha256_of(path) == sha256}


def blobs_inside(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The blobs in a part, by hash."""
    return {found[2]: info for info in archive.infolist() if (found := _BLOB.fullmatch(info.filename))}


@contextmanager
def unpacked_blobs(archive: zipfile.ZipFile, hashes: Collection[str], folder: Path) -> Iterator[dict[str, Path]]:
    """Blobs of a part as files in the folder, while the block is at work."""
    folder.mkdir()
    found = {sha256: info for sha256, info in blobs_inside(archive).items() if sha256 in hashes}
    try:
        for sha256, info in found.items():
            _unpack(archive, info, sha256, folder / sha256)
        yield {sha256: folder / sha256 for sha256 in found}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def restore_blobs(archive: zipfile.ZipFile, data_dir: Path, progress: Progress) -> int:
    """Put the blobs of a part into the data directory; how many it lacked. One is whole there, or not there at all."""
    found = blobs_inside(archive)
    restored = 0
    for number, (sha256, info) in enumerate(found.items()):
        path = blob_path(data_dir, sha256)
        if path.is_file() and path.stat().st_size == info.file_size:
            os.utime(path)  # a sweep that has begun is to spare it
            continue
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_name(f".{sha256}.{os.getpid()}.tmp")
        try:
            _unpack(archive, info, sha256, temporary)
            fsync_file(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        fsync_directory(path.parent)
        restored += 1
        progress("restoring blobs", number + 1, len(found))
    return restored


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, sha256: str, path: Path) -> None:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for block in member_blocks(archive, info):
            digest.update(block)
            file.write(block)
    if digest.hexdigest() != sha256:
        raise ArchiveDamaged(f"{info.filename} in {archive.filename} is not what its name says.")


def check_part(path: Path, scratch: Path, progress: Progress) -> None:
    """Raise ArchiveDamaged unless every chunk is what its sidecar says, and DuckDB opens it."""
    with open_zip(path) as archive:
        for member in list_all_chunks(archive):
            sidecar = read_sidecar(archive, member)
            chunk = extract_checked(archive, member, sidecar, scratch, progress)
            check_chunk(chunk, sidecar, scratch=scratch)
            chunk.unlink()


def refuse_too_large(needed: int, folder: Path) -> None:
    """Raise ArchiveError when the folder has no room for so many bytes."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ArchiveError(
            f"{needed:,} bytes are needed in {folder}, and {free:,} are free. Nothing was changed; free some, and run "
            "this again."
        )
