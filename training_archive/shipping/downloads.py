"""Downloads: into a file beside the real one, taken up where they were cut off, and checked before they count."""

import errno
import hashlib
import os
import shutil
from pathlib import Path
from threading import Lock
from typing import Any, Final

from capture_app.blobs import blob_path
from capture_app.progress import Progress
from training_archive.shipping.blob_lists import BlobEntry
from training_archive.shipping.exceptions import NotInStorage, SetChanged
from training_archive.shipping.local_set import common_length
from training_archive.shipping.manifest import Names, ShippedFile, ShippedObject, blob_name
from training_archive.shipping.sources import BLOCK
from training_archive.shipping.stores.base import Store

_PART: Final = ".part"


class Downloads:
    """What comes from one storage into one folder."""

    def __init__(self, store: Store, names: Names, progress: Progress) -> None:
        self.bytes_received = 0
        self._store = store
        self._names = names
        self._progress = progress
        self._counting = Lock()

    def part(self, wanted: ShippedObject) -> Path:
        """Where the download of this very content goes on, whatever the manifest said before."""
        return self._names.zip_path.with_name(f".{wanted.name}.{wanted.sha256[:16]}{_PART}")

    def missing_bytes(self, wanted: ShippedObject) -> int:
        part = self.part(wanted)
        return max(0, wanted.size - (part.stat().st_size if part.exists() else 0))

    def take(self, path: Path, wanted: ShippedObject) -> None:
        """The content is here under another name."""
        part = self.part(wanted)
        part.unlink(missing_ok=True)
        try:
            part.hardlink_to(path)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise
            shutil.copyfile(path, part)  # a file system without hard links

    def download(self, wanted: ShippedFile) -> None:
        """The whole content in its part. Raises SetChanged when the storage has another one."""
        part = self.part(wanted)
        if self._store.size(wanted.name) == wanted.size:
            if not part.exists():
                self._begin_with_older(part, wanted)
            if self._complete(part, wanted, resumed=part.exists()):
                return
        raise SetChanged(
            f"{wanted.name} in the storage is not what the manifest says: a ship is at work or was interrupted, or the "
            "object is damaged there."
        )

    def _begin_with_older(self, part: Path, wanted: ShippedFile) -> None:
        """A ZIP that was appended to since begins as the one here does."""
        older = part.with_name(wanted.name)
        length = common_length(older, wanted.chunks)
        if 0 < length < wanted.size:
            with older.open("rb") as source, part.open("wb") as target:
                while length > 0 and (block := source.read(min(BLOCK, length))):
                    target.write(block)
                    length -= len(block)

    def _complete(self, part: Path, wanted: ShippedObject, *, resumed: bool) -> bool:
        """Go on to the end. What is not the content wanted is removed; a beginning that was here is tried without."""
        with part.open("a+b") as file:
            digest, done = _begun(file)
            if done < wanted.size:
                done = self._append(file, digest, done, wanted)
            file.flush()
            os.fsync(file.fileno())
        if (done, digest.hexdigest()) == (wanted.size, wanted.sha256):
            return True
        part.unlink()
        return resumed and self._complete(part, wanted, resumed=False)

    def _append(self, file: Any, digest: Any, done: int, wanted: ShippedObject) -> int:
        try:
            for block in self._store.read(wanted.name, done):
                done += len(block)
                if done > wanted.size:
                    break
                digest.update(block)
                file.write(block)
                self._count(len(block))
                self._progress(f"fetching {wanted.name}", done, wanted.size)
        except NotInStorage as error:
            raise SetChanged(f"{wanted.name}, which the manifest names, is not in the storage.") from error
        return done

    def blob(self, data_dir: Path, entry: BlobEntry) -> None:
        """Fetch one blob to its place. Raises SetChanged when the storage has something else in its place."""
        path = blob_path(data_dir, entry.sha256)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.fetching.tmp")
        wanted = ShippedObject(name=blob_name(entry.sha256), size=entry.size, sha256=entry.sha256)
        try:
            with temporary.open("wb") as file:
                digest = hashlib.sha256()
                done = self._append(file, digest, 0, wanted)
            if (done, digest.hexdigest()) != (entry.size, entry.sha256):
                raise SetChanged(f"{wanted.name} in the storage is not what its name says.")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove the parts that nobody will go on with."""
        for part in self._names.zip_path.parent.glob(f".*{_PART}"):
            name, _, suffix = part.name.removeprefix(".").removesuffix(_PART).rpartition(".")
            if self._names.is_zip(name) and len(suffix) == 16:
                part.unlink()

    def _count(self, received: int) -> None:
        with self._counting:
            self.bytes_received += received


def _begun(file: Any) -> tuple[Any, int]:
    """The digest and the length of what is there. Left at the end."""
    file.seek(0)
    digest, length = hashlib.sha256(), 0
    while block := file.read(BLOCK):
        digest.update(block)
        length += len(block)
    return digest, length
