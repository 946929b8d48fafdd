"""What can go wrong between this host and a storage."""

from training_archive.exceptions import ArchiveBusy, ArchiveError


class ShippingError(ArchiveError):
    """The storage refused something, or what it holds is not what was put there."""


class StorageUnreachable(ShippingError):
    """The network or the storage failed in a way that may pass: what was asked is tried again for a while."""


class NotInStorage(ShippingError):
    """The storage has no object of that name."""


class ManifestRefused(ShippingError):
    """The manifest in the storage is none of ours, or asks for something that no manifest of ours would."""


class SetChanged(ShippingError):
    """An object is not the one that the manifest names: it was replaced meanwhile, or it is damaged."""


class FetchBusy(ArchiveBusy):
    """Another fetch works on the same folder. Nothing was changed."""
