"""Sending parts to a storage, having them back, and deleting them. Whatever is sent is noted as loose before."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from capture_app.progress import Progress
from training_archive.chunks import Sidecar, sha256_of
from training_archive.cold.ledger import ColdNames, ColdPart, Ledger, Place, State, parse_copy
from training_archive.cold.parts import refuse_too_large
from training_archive.conf import archive_settings
from training_archive.exceptions import ArchiveDamaged
from training_archive.shipping.blob_shipping import opened
from training_archive.shipping.exceptions import NotInStorage, ShippingError
from training_archive.shipping.manifest import LARGEST_MANIFEST
from training_archive.shipping.sources import Fingerprint
from training_archive.shipping.stores import open_store


def configured_place() -> tuple[str, str]:
    """Alias and prefix of the storage that parts go to. Raises ShippingError when there is none."""
    conf = archive_settings()
    if not conf.cold_storage:
        raise ShippingError(
            "TRAINING_ARCHIVE['COLD_STORAGE'] names no storage, so nothing was moved. Let it name an alias of STORAGES."
        )
    return conf.cold_storage, conf.cold_prefix


def send_part(
    ledger: Ledger,
    path: Path,
    chunks: tuple[Sidecar, ...],
    *,
    month: str,
    blobs: int,
    to: tuple[str, str],
    state: State,
    progress: Progress,
) -> ColdPart:
    """Have the storage keep the file as a part, verified; it is loose until the ledger takes it.

    Raises ShippingError unless the storage's own checksum is that of the file, or it was read back as it was sent.
    """
    store = open_store(*to)
    with opened(path, path.name) as source:
        print_ = Fingerprint.of(source, store.part_size(source.size), progress)
    name = ColdNames(ledger.zip_path).part(month, print_.sha256)
    place = Place(*to, name)
    ledger.loose.add(place)
    ledger.write()
    with opened(path, name) as source:
        if store.holds(name, print_) is not True:
            store.stage(source, print_, progress=progress)()
        held = store.holds(name, print_)
        if held is False or (held is None and not store.is_sound(name, print_, progress)):
            raise ShippingError(
                f"{name} is not in the storage {to[0]!r} as it was sent. Everything is still here; run this again."
            )
    return ColdPart(
        place=place,
        size=print_.size,
        sha256=print_.sha256,
        moved_at=datetime.now(UTC),
        blobs=blobs,
        chunks=chunks,
        state=state,
    )


def publish_copies(ledger: Ledger, *places: Place) -> None:
    """Have the storages of these places keep a copy of what the ledger says that they have."""
    for storage, prefix in sorted({place[:2] for place in places}):
        open_store(storage, prefix).put(ColdNames(ledger.zip_path).manifest, ledger.copy_of(storage, prefix))


def clear_loose(ledger: Ledger) -> None:
    """Delete what is no part, or none any more. The copies are told before."""
    if not ledger.loose:
        return
    publish_copies(ledger, *ledger.loose)
    for place in sorted(ledger.loose):
        store = open_store(place.storage, place.prefix)
        store.delete(place.name)
        store.clear_unfinished(ColdNames(ledger.zip_path))
    ledger.loose.clear()
    ledger.write()


def adopt_lost(ledger: Ledger) -> None:
    """Take in what the configured storage's copy names and the ledger does not: this host has lost its own.

    Raises ArchiveDamaged for a copy that is none.
    """
    if not archive_settings().cold_storage:
        return
    known = {*ledger.parts, *(place.name for place in ledger.loose)}
    lost = [part for part in read_copy(*configured_place(), ledger.zip_path) if part.name not in known]
    for part in lost:
        ledger.put(part)


def read_copy(storage: str, prefix: str, zip_path: Path) -> list[ColdPart]:
    """What the storage says that it has; nothing when it has no copy."""
    names = ColdNames(zip_path)
    content = bytearray()
    try:
        for block in open_store(storage, prefix).read(names.manifest):
            content += block
            if len(content) > LARGEST_MANIFEST:
                raise ArchiveDamaged(f"{names.manifest} in the storage {storage!r} is larger than any of ours.")
    except NotInStorage:
        return []
    return parse_copy(bytes(content), storage, prefix, names)


@contextmanager
def downloaded(part: ColdPart, scratch: Path, progress: Progress) -> Iterator[Path]:
    """The part as a file in the folder, checked, while the block is at work. Not a byte more than it should have."""
    refuse_too_large(part.size, scratch)
    path = scratch / part.name
    store = open_store(part.place.storage, part.place.prefix)
    try:
        done = 0
        with path.open("wb") as file:
            for block in store.read(part.name):
                done += len(block)
                if done > part.size:
                    break
                file.write(block)
                progress(f"fetching {part.name}", done, part.size)
        if (done, sha256_of(path)) != (part.size, part.sha256):
            raise ArchiveDamaged(
                f"{part.name} in the storage {part.place.storage!r} is not what was put there. Nothing here was "
                "changed; see whether the storage has an older version of it."
            )
        yield path
    finally:
        path.unlink(missing_ok=True)
