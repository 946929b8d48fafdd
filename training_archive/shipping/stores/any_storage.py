"""Any other of Django's storages. Its interface has no rename and no resume, so an object is replaced by deleting it.

That is not atomic: between the two there is no object, and after a kill there may be none until the next run. The
manifest, written last, protects the reader: what is missing or half there does not match it.
"""

from collections.abc import Iterator

from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage

from capture_app.progress import Progress, silent
from training_archive.shipping.exceptions import NotInStorage, ShippingError
from training_archive.shipping.manifest import Names
from training_archive.shipping.sources import BLOCK, Fingerprint, Source
from training_archive.shipping.stores.base import Publish, Store, passing_trouble

_WHAT = "The storage"


class AnyStore(Store):
    """A Storage of which nothing is known but Django's interface."""

    def __init__(self, storage: Storage, prefix: str = "") -> None:
        super().__init__(prefix)
        self._storage = storage

    def size(self, name: str) -> int | None:
        return self._patiently(lambda: self._size(name))

    def _size(self, name: str) -> int | None:
        with passing_trouble(_WHAT):
            try:
                # Not all raise FileNotFoundError for the size of what is missing.
                full = self.full_name(name)
                return self._storage.size(full) if self._storage.exists(full) else None
            except FileNotFoundError:
                return None

    def stage(self, source: Source, print_: Fingerprint, *, alike: str = "", progress: Progress = silent) -> Publish:
        def publish() -> None:
            progress(f"shipping {source.name}", 0, source.size)
            self._patiently(lambda: self._replace(source.name, File(source.as_file())))
            self.count(source.size)
            self._check_back(source.name, print_)
            progress(f"shipping {source.name}", source.size, source.size)

        return publish

    def put(self, name: str, content: bytes) -> None:
        self._patiently(lambda: self._replace(name, ContentFile(content)))

    def _replace(self, name: str, content: "File[bytes]") -> None:
        wanted = self.full_name(name)
        with passing_trouble(_WHAT):
            self._storage.delete(wanted)
            saved = self._storage.save(wanted, content)
            if saved != wanted:
                self._storage.delete(saved)
                raise ShippingError(
                    f"The storage keeps {wanted} under another name, {saved}, so nobody could find it. It was deleted "
                    "there again. Let the storage overwrite files, as its options say."
                )

    def delete(self, name: str) -> None:
        self._patiently(lambda: self._delete(name))

    def _delete(self, name: str) -> None:
        with passing_trouble(_WHAT):
            self._storage.delete(self.full_name(name))

    def clear_unfinished(self, names: Names) -> None:
        """There is nothing: what was sent is published."""

    def _blocks(self, name: str, offset: int) -> Iterator[bytes]:
        with passing_trouble(_WHAT):
            try:
                with self._storage.open(self.full_name(name), "rb") as file:
                    file.seek(offset)
                    while block := file.read(BLOCK):
                        yield block
            except FileNotFoundError as error:
                raise NotInStorage(f"There is no {name} in the storage.") from error
