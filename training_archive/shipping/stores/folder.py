"""A folder as a storage: another disk, a network mount. A file there is replaced by rename, as the ZIP here is."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final

from django.core.files.storage import FileSystemStorage

from capture_app.files import fsync_directory, write_atomically
from capture_app.progress import Progress, silent
from training_archive.shipping.exceptions import NotInStorage, ShippingError
from training_archive.shipping.manifest import Names
from training_archive.shipping.sources import BLOCK, Fingerprint, Source
from training_archive.shipping.stores.base import Publish, Store

_PART: Final = ".part"


class FolderStore(Store):
    """FileSystemStorage's folder. Errors of the disk come as OSError: they do not pass by waiting."""

    workers: ClassVar[int] = 4  # many blobs wait for the disk together

    def __init__(self, storage: FileSystemStorage, prefix: str = "") -> None:
        super().__init__(prefix)
        self._storage = storage

    def _path(self, name: str) -> Path:
        return Path(self._storage.path(self.full_name(name)))  # refuses what leads out of the folder

    def size(self, name: str) -> int | None:
        try:
            return self._path(name).stat().st_size
        except FileNotFoundError:
            return None

    def stage(self, source: Source, print_: Fingerprint, *, alike: str = "", progress: Progress = silent) -> Publish:
        path = self._path(source.name)
        if path.exists() and os.path.samestat(path.stat(), os.fstat(source.descriptor)):
            raise ShippingError(
                f"{path} is the archive itself. Nothing was changed; let SHIP_TO lead to another folder than the data "
                "directory's."
            )
        self._make_folder(path.parent)
        part = _part_of(path)
        self._fill(part, source, progress)
        if _sha256_on_disk(part) != print_.sha256:
            part.unlink()
            raise ShippingError(
                f"{path} did not come back from the disk as it was written. What is here is untouched, and so is what "
                "was there before; the next run writes it again."
            )
        return lambda: self._publish(part, path)

    def _fill(self, part: Path, source: Source, progress: Progress) -> None:
        """Go on after what is the source's beginning; what is not, of another version or torn, is written anew."""
        with part.open("r+b" if part.exists() else "x+b") as file:
            done = _common_length(file.fileno(), source)
            file.truncate(done)
            file.seek(done)
            for block in source.blocks(done):
                file.write(block)
                done += len(block)
                self.count(len(block))
                progress(f"shipping {source.name}", done, source.size)
            file.flush()
            os.fsync(file.fileno())

    def _publish(self, part: Path, path: Path) -> None:
        if self._storage.file_permissions_mode is not None:
            part.chmod(self._storage.file_permissions_mode)
        part.replace(path)
        fsync_directory(path.parent)

    def put(self, name: str, content: bytes) -> None:
        path = self._path(name)
        self._make_folder(path.parent)
        write_atomically(path, content)
        if self._storage.file_permissions_mode is not None:
            path.chmod(self._storage.file_permissions_mode)

    def _make_folder(self, folder: Path) -> None:
        folder.mkdir(mode=self._storage.directory_permissions_mode or 0o777, parents=True, exist_ok=True)

    def delete(self, name: str) -> None:
        path = self._path(name)
        path.unlink(missing_ok=True)
        _part_of(path).unlink(missing_ok=True)
        if path.parent.exists():
            fsync_directory(path.parent)

    def clear_unfinished(self, names: Names) -> None:
        for part in self._path(names.manifest).parent.glob(f".*{_PART}"):
            if names.is_zip(part.name.removeprefix(".").removesuffix(_PART)):
                part.unlink()

    def _blocks(self, name: str, offset: int) -> Iterator[bytes]:
        try:
            with self._path(name).open("rb") as file:
                file.seek(offset)
                while block := file.read(BLOCK):
                    yield block
        except FileNotFoundError as error:
            raise NotInStorage(f"There is no {name} in the storage.") from error


def _part_of(path: Path) -> Path:
    return path.with_name(f".{path.name}{_PART}")


def _common_length(descriptor: int, source: Source) -> int:
    """How many bytes of the file are the source's beginning; those of a block that differs are not counted."""
    length = 0
    for block in Source("", descriptor).blocks():
        if source.read(length, len(block)) != block:
            break
        length += len(block)
    return length


def _sha256_on_disk(path: Path) -> str:
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # as far as the kernel will: not from its cache
        return hashlib.file_digest(file, "sha256").hexdigest()
