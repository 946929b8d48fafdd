"""Shipping the blobs: images and files that the examples refer to, each under its content's hash."""

import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from capture_app.blobs import blob_path
from capture_app.progress import Progress
from training_archive.shipping.blob_lists import (
    BlobEntry,
    BlobListing,
    blobs_in,
    in_batches,
    in_either,
    only_in_first,
    paired,
    write_listing,
)
from training_archive.shipping.exceptions import ManifestRefused, NotInStorage, SetChanged
from training_archive.shipping.manifest import Names, ShippedBlobs, ShippedObject, blob_name
from training_archive.shipping.reading import read_listing
from training_archive.shipping.sources import Fingerprint, Source
from training_archive.shipping.stores.base import Store

logger = logging.getLogger("training_archive")


@dataclass(slots=True, kw_only=True)
class BlobShipment:
    """The blobs of one ship. `shipped` is what the storage has by the manifest that is there, `scratch` a folder.

    What the storage has and this host has not stays there, unless it was `removed` on purpose or `allow_loss` is set.
    """

    store: Store
    data_dir: Path
    shipped: BlobListing
    removed: BlobListing
    scratch: Path
    names: Names
    progress: Progress
    recheck: bool  # believe nothing of what is there
    allow_loss: bool
    sent: int = 0
    deleted: int = 0
    missing: int = 0  # here, though nobody removed them; the storage has them
    damaged: list[str] = field(default_factory=list)  # gone here, or not what their name says; never sent
    _here: BlobListing = field(default_factory=BlobListing)
    _listing: BlobListing = field(default_factory=BlobListing)  # what the storage has in the end

    def announce(self) -> ShippedBlobs:
        """Put a listing of what will be sent into the storage; nothing else yet."""
        described, self._here = self._put_listing("here", blobs_in(self.data_dir))
        return described

    def send(self) -> ShippedBlobs:
        """Send what the storage lacks, and a listing of all; how the next manifest describes them."""
        kept: dict[str, BlobEntry | None] = {}  # by the hash of a damaged one: what the storage has in its place
        for entry, other in self._send_lacking():
            kept[entry.sha256] = other
        self.damaged = sorted(kept)
        entries = (kept.get(entry.sha256, entry) for entry in self._here)
        there = in_either((entry for entry in entries if entry is not None), self._missing())
        described, self._listing = self._put_listing("shipped", there)
        return described

    def _missing(self) -> Iterator[BlobEntry]:
        """What the storage keeps. A disk that is not mounted looks the same as blobs that were removed."""
        if not self.allow_loss:
            for entry in only_in_first(only_in_first(self.shipped, self._here), self.removed):
                self.missing += 1
                yield entry

    def told(self) -> Iterator[BlobEntry]:
        """What need not be noted as removed any longer, once the storage has what is here."""
        return only_in_first(self.removed, self._here)

    def _send_lacking(self) -> Iterator[tuple[BlobEntry, BlobEntry | None]]:
        """Yield what could not be sent, with what the storage has of it."""
        pairs = paired(self._here, self.shipped)
        lacking = (pair for pair in pairs if self.recheck or pair[0] != pair[1])
        with ThreadPoolExecutor(self.store.workers) as pool:
            for batch in in_batches(lacking):
                for pair, sent in zip(batch, pool.map(self._send, [entry for entry, _ in batch]), strict=True):
                    if sent is None:
                        yield pair
                    self.sent += sent or 0
                self.progress("shipping blobs", self.sent, 0)

    def _send(self, entry: BlobEntry) -> bool | None:
        """Whether the blob had to be sent; None when it is gone here, or is not what its name says."""
        try:
            with opened(blob_path(self.data_dir, entry.sha256), blob_name(entry.sha256)) as source:
                print_ = Fingerprint.of(source, self.store.part_size(source.size))
                return self._send_source(source, print_) if print_.sha256 == entry.sha256 else None
        except FileNotFoundError:
            return None

    def _send_source(self, source: Source, print_: Fingerprint) -> bool:
        if self.recheck:
            is_there = self.store.is_sound(source.name, print_)
        else:
            is_there = self.store.holds(source.name, print_) is not False  # its name is its content's hash
        if not is_there:
            self.store.send(source, print_)
        return not is_there

    def _put_listing(self, name: str, entries: Iterator[BlobEntry]) -> tuple[ShippedBlobs, BlobListing]:
        path = self.scratch / f"blobs-{name}.txt"
        described = write_listing(entries, path, self.names)
        if described.listing is not None:
            with opened(path, described.listing.name) as source:
                part_size = self.store.part_size(source.size)
                self._send_source(source, Fingerprint.of(source, part_size))
        return described, BlobListing(path)

    def delete_unlisted(self, listing: ShippedObject) -> None:
        """Delete what that older listing has and the new one has not, then itself. The new manifest is there already.

        A listing that is gone, or is not what it should be, names nothing.
        """
        try:
            old = read_listing(self.store, listing, self.scratch / "blobs-old.txt")
        except (NotInStorage, SetChanged, ManifestRefused) as error:
            logger.warning("Blobs that are no longer listed may be left in the storage. %s", error)
            old = BlobListing()
        for entry in only_in_first(old, self._listing):
            self.store.delete(blob_name(entry.sha256))
            self.deleted += 1
        self.store.delete(listing.name)


@contextmanager
def opened(path: Path, name: str) -> Iterator[Source]:
    """The file as a source of that name in the storage."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield Source(name, descriptor)
    finally:
        os.close(descriptor)
