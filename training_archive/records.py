"""What Django's database knows of the archive, kept in step with the sidecars. They are what counts."""

import os
from pathlib import Path

from django.db import transaction

from training_archive.archive_set import archive_zips, read_sidecars
from training_archive.chunks import Sidecar
from training_archive.models import ArchivedChunk, ArchivedGeneration


def remember_chunk(sidecar: Sidecar, zip_path: Path) -> None:
    """Know of one chunk more, or of what it has become."""
    with transaction.atomic():
        chunk, _ = ArchivedChunk.objects.update_or_create(
            name=sidecar.chunk,
            defaults={
                "zip_name": _readable(zip_path.name),
                "rows": sidecar.rows,
                "size": sidecar.size,
                "sha256": sidecar.sha256,
                "first_created_at": sidecar.first_created_at,
                "last_created_at": sidecar.last_created_at,
                "archived_at": sidecar.created_at,
            },
        )
        for generation in sidecar.generations:
            ArchivedGeneration.objects.update_or_create(generation=generation, defaults={"chunk": chunk})


def remember_archive(zip_path: Path) -> None:
    """Make the records of this archive what its sidecars say. Raises ArchiveDamaged when one is unreadable.

    Chunks in archives of other names stay known.
    """
    found = [(sidecar, path) for path in archive_zips(zip_path) for sidecar in read_sidecars(path)]
    with transaction.atomic():
        gone = known_chunks(zip_path) - {sidecar.chunk for sidecar, _ in found}
        for name in gone:
            ArchivedChunk.objects.filter(name=name).delete()
        for sidecar, path in found:
            remember_chunk(sidecar, path)


def known_chunks(zip_path: Path) -> set[str]:
    """The names of the chunks that are known to be in this archive."""
    ours = ArchivedChunk.objects.filter(zip_name__startswith=_readable(zip_path.stem))
    return set(ours.values_list("name", flat=True))


def _readable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")
