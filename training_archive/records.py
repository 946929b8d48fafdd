"""What Django's database knows of the archive, kept in step with the sidecars. They are what counts."""

import os
from collections.abc import Iterable
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
                "zip_name": os.fsencode(zip_path.name).decode("utf-8", "backslashreplace"),
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
    """Make the records what the archive is, and nothing else. Raises ArchiveDamaged when a sidecar is unreadable."""
    found = [(sidecar, path) for path in archive_zips(zip_path) for sidecar in read_sidecars(path)]
    with transaction.atomic():
        forget_all_but(sidecar.chunk for sidecar, _ in found)
        for sidecar, path in found:
            remember_chunk(sidecar, path)


def forget_all_but(names: Iterable[str]) -> None:
    kept = set(names)
    known = ArchivedChunk.objects.values_list("name", flat=True)
    for name in [name for name in known if name not in kept]:
        ArchivedChunk.objects.filter(name=name).delete()
