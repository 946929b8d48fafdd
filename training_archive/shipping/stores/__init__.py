"""One of Django's STORAGES, as shipping uses it."""

from django.core.files.storage import FileSystemStorage, InvalidStorageError, Storage, storages
from django.utils.module_loading import import_string

from training_archive.shipping.exceptions import ShippingError
from training_archive.shipping.stores.any_storage import AnyStore
from training_archive.shipping.stores.base import Store
from training_archive.shipping.stores.folder import FolderStore

_S3_STORAGE = "storages.backends.s3.S3Storage"
_S3_STORE = "training_archive.shipping.stores.s3.S3Store"


def open_store(alias: str, prefix: str = "") -> Store:
    """The storage of that alias. Names in it begin with `prefix`. Raises ShippingError when there is no such alias."""
    try:
        storage = storages[alias]
    except InvalidStorageError as error:
        raise ShippingError(
            f"STORAGES has no usable alias {alias!r}: {str(error).rstrip('.')}. Nothing was changed; see "
            "TRAINING_ARCHIVE['SHIP_TO'] and `manage.py check`."
        ) from error
    if isinstance(storage, FileSystemStorage):
        return FolderStore(storage, prefix)
    if _is_s3(storage):  # by its name: django-storages is there only for those who use it
        store: Store = import_string(_S3_STORE)(storage, prefix)
        return store
    return AnyStore(storage, prefix)


def _is_s3(storage: Storage) -> bool:
    return any(f"{kind.__module__}.{kind.__qualname__}" == _S3_STORAGE for kind in type(storage).__mro__)
