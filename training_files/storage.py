"""Files in the storage: written under a new name, read back, and only then named by a row. None is ever changed.

A file that no row names, because a process was killed or a row let it go, is noted as loose before it could come to
be, and removed by `sweep_loose_files` once it is old. So nothing needs to list the storage, and nothing is removed
that somebody may still be about to name.
"""

import glob
import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from django.core.files.storage import FileSystemStorage, storages
from django.db import transaction
from django.utils.module_loading import import_string

from capture_app.progress import Progress, silent
from training_archive.shipping.sources import Fingerprint
from training_archive.shipping.stores import open_store
from training_archive.shipping.stores.base import Store
from training_archive.shipping.stores.folder import FolderStore
from training_files.conf import training_files_settings
from training_files.exceptions import PartDamaged, SweptAway
from training_files.models import LooseFile

if TYPE_CHECKING:
    from training_files.bucket import Bucket

JOINED: Final = "joined/"  # begins the names of whole files

_S3_STORE: Final = "training_archive.shipping.stores.s3"
_BUCKET: Final = "training_files.bucket.Bucket"  # by its name: django-storages is there only for those who use it


def open_files() -> Store:
    """The storage that TRAINING_FILES names; without one, a folder in the data directory."""
    chosen = training_files_settings()
    if chosen.storage:
        return open_store(chosen.storage, chosen.prefix)
    return FolderStore(_own_folder(), chosen.prefix)


def _own_folder() -> FileSystemStorage:
    """For ourselves alone, as all of the data directory: what people said is not everybody's on this machine."""
    folder = training_files_settings().folder
    return FileSystemStorage(location=folder, file_permissions_mode=0o600, directory_permissions_mode=0o700)


def open_bucket() -> "Bucket | None":
    """The S3 bucket in which the storage keeps its files; None where it is something else."""
    chosen = training_files_settings()
    if not chosen.storage or type(open_files()).__module__ != _S3_STORE:
        return None
    bucket: Bucket = import_string(_BUCKET)(storages[chosen.storage], chosen.prefix)
    return bucket


def note_loose(name: str) -> None:
    """Say that a file is about to be written. Not within a transaction: the note outlives whatever happens next."""
    with transaction.atomic(durable=True):
        LooseFile.objects.create(name=name, noted_at=datetime.now(UTC))


def write_loose(name: str, content: bytes) -> str:
    """Write a new file, read it back, and give its SHA-256. It is loose until `keep`. Not within a transaction."""
    note_loose(name)
    files, sha256 = open_files(), hashlib.sha256(content).hexdigest()
    files.put(name, content)
    if not files.is_sound(name, Fingerprint(size=len(content), sha256=sha256)):
        raise PartDamaged(f"{name} did not come back from the storage as it was written. Nothing names it.")
    return sha256


def keep(names: Iterable[str]) -> None:
    """Say that rows of the present transaction name these files. Raises when one was swept away meanwhile."""
    wanted = set(names)
    deleted, _ = LooseFile.objects.filter(name__in=wanted, is_condemned=False).delete()
    if deleted != len(wanted):
        raise SweptAway(
            "What was written took so long to be named that it was swept away. Nothing was changed; do it again."
        )


def let_go(names: Iterable[str]) -> None:
    """Say that, with the present transaction, no row names these files any more."""
    now = datetime.now(UTC)
    LooseFile.objects.bulk_create([LooseFile(name=name, noted_at=now) for name in names])


def read_whole(name: str, sha256: str) -> bytes:
    """A small file. Raises PartDamaged when it is not what was written, NotInStorage when it is gone."""
    content = b"".join(open_files().read(name))
    if hashlib.sha256(content).hexdigest() != sha256:
        raise PartDamaged(f"{name} in the storage is not what was written. Restore it from a backup.")
    return content


def read_blocks(name: str) -> Iterator[bytes]:
    return open_files().read(name)


def sweep_loose_files(progress: Progress = silent, *, older_than: timedelta | None = None) -> int:
    """Remove the files that have been loose for long enough; how many. A killed sweep is finished by the next one.

    `older_than`: instead of ORPHAN_HOURS. Who is about to name one that is younger is told to begin anew; and because
    they may write it yet, it stays condemned, and is removed again, until ORPHAN_HOURS are over.
    """
    chosen = training_files_settings()
    now = datetime.now(UTC)
    long_ago = now - max(chosen.orphan_age, chosen.url_lifetime)
    old = long_ago if older_than is None else now - older_than
    LooseFile.objects.filter(noted_at__lt=old).update(is_condemned=True)
    condemned = list(LooseFile.objects.filter(is_condemned=True).values_list("name", "noted_at"))
    for done, (name, noted_at) in enumerate(condemned, 1):
        _remove(name)
        if noted_at < long_ago:
            LooseFile.objects.filter(name=name).delete()
        progress("sweeping", done, len(condemned))
    return len(condemned)


def _remove(name: str) -> None:
    """With what killed writers left of it."""
    files = open_files()
    files.delete(name)
    for path in _half_written(files.full_name(name)):
        path.unlink(missing_ok=True)
    if name.startswith(JOINED) and (bucket := open_bucket()) is not None:
        bucket.abort_unfinished(name)


def _half_written(full_name: str) -> Iterator[Path]:
    """In a storage that is a folder; see `capture_app.files.write_atomically`."""
    chosen = training_files_settings()
    storage = storages[chosen.storage] if chosen.storage else _own_folder()
    if isinstance(storage, FileSystemStorage):
        path = Path(storage.path(full_name))
        yield from path.parent.glob(f".{glob.escape(path.name)}.*.tmp")
