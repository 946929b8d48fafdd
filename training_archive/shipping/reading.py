"""Reading from a storage what may be anything: never more than is announced, and nothing believed unread."""

import hashlib
from pathlib import Path

from training_archive.shipping.blob_lists import BlobListing
from training_archive.shipping.exceptions import ManifestRefused, SetChanged
from training_archive.shipping.manifest import LARGEST_MANIFEST, Manifest, Names, ShippedObject
from training_archive.shipping.stores.base import Store


def read_manifest(store: Store, names: Names) -> Manifest:
    """Raises NotInStorage when nothing was shipped yet, ManifestRefused when what is there is no manifest of ours."""
    content = bytearray()
    for block in store.read(names.manifest):
        content += block
        if len(content) > LARGEST_MANIFEST:
            raise ManifestRefused(
                f"{names.manifest} in the storage is larger than {LARGEST_MANIFEST:,} bytes, and no manifest of ours "
                "is. Nothing here was changed; look who else writes there."
            )
    return Manifest.from_json(bytes(content), names)


def read_listing(store: Store, listing: ShippedObject | None, path: Path) -> BlobListing:
    """A listing of blobs that a manifest names, in the new file `path`; the empty one for None.

    Raises SetChanged when what is there is another one, ManifestRefused when it is none at all.
    """
    if listing is None:
        return BlobListing()
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        for block in store.read(listing.name):
            size += len(block)
            if size > listing.size:
                break
            digest.update(block)
            file.write(block)
    if (size, digest.hexdigest()) != (listing.size, listing.sha256):
        raise SetChanged(f"{listing.name} in the storage is not what the manifest says.")
    found = BlobListing(path)
    for _ in found:  # every line is looked at before the first one counts
        pass
    return found
