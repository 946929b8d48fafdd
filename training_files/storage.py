"""Files in the storage: written under a new name, read back, and only then named by a row. None is ever changed.

A file that no row names, because a process was killed or a row let it go, is noted as loose before it could come to
be, and removed by `sweep_loose_files` once it is old. So nothing needs to list the storage, and nothing is removed
that somebody may still be about to name.
"""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from django.core.files.storage import FileSystemStorage
from django.db import transaction

from capture_app.progress import Progress, silent
from training_archive.shipping.sources import Fingerprint
from training_archive.shipping.stores import open_store
from training_archive.shipping.stores.base import Store
from training_archive.shipping.stores.folder import FolderStore
from training_files.conf import training_files_settings
from training_files.exceptions import PartDamaged, TrainingFilesError
from training_files.models import LooseFile


def open_files() -> Store:
    """The storage that TRAINING_FILES names; without one, a folder in the data directory."""
    chosen = training_files_settings()
    if chosen.storage:
        return open_store(chosen.storage, chosen.prefix)
    return FolderStore(FileSystemStorage(location=chosen.folder), chosen.prefix)


def write_loose(name: str, content: bytes) -> str:
    """Write a new file, read it back, and give its SHA-256. It is loose until `keep`.

    Not within a transaction: the note has to outlive whatever happens next.
    """
    with transaction.atomic(durable=True):
        LooseFile.objects.create(name=name, noted_at=datetime.now(UTC))
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
        raise TrainingFilesError(
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


def sweep_loose_files(progress: Progress = silent) -> int:
    """Remove the files that have been loose for long enough; how many. A killed sweep is finished by the next one."""
    old = datetime.now(UTC) - training_files_settings().orphan_age
    LooseFile.objects.filter(noted_at__lt=old).update(is_condemned=True)
    names = list(LooseFile.objects.filter(is_condemned=True).values_list("name", flat=True))
    files = open_files()
    for done, name in enumerate(names, 1):
        files.delete(name)
        LooseFile.objects.filter(name=name).delete()
        progress("sweeping", done, len(names))
    return len(names)
