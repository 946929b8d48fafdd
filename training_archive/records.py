"""What Django's database knows of the archive, kept in step with the sidecars. They are what counts."""

from pathlib import Path

from django.db import transaction

from training_archive.archive_set import read_sidecars
from training_archive.chunks import Sidecar
from training_archive.conf import archive_settings
from training_archive.dated_names import archive_zips, is_name_in_set
from training_archive.models import ArchivedChunk, ArchivedGeneration
from training_archive.removed_chunks import names_of, readable_name, removed_chunks, settle_removals


def remember_chunk(sidecar: Sidecar, zip_path: Path) -> None:
    """Know of one chunk more, or of what it has become."""
    with transaction.atomic():
        chunk, _ = ArchivedChunk.objects.update_or_create(
            name=sidecar.chunk,
            defaults={
                "zip_name": readable_name(zip_path.name),
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

    Chunks in archives of other names stay known. For who holds the archive's locks.
    """
    there = _settled(zip_path)
    found = [(sidecar, path) for path, sidecars in there.items() for sidecar in sidecars]
    with transaction.atomic():
        gone = known_chunks(zip_path).keys() - {sidecar.chunk for sidecar, _ in found}
        for name in gone:
            ArchivedChunk.objects.filter(name=name).delete()
        for sidecar, path in found:
            remember_chunk(sidecar, path)


def remember_change(zip_path: Path) -> None:
    """As remember_archive, but for an archive elsewhere that has the configured one's name, a copy perhaps.

    Records go by the name alone: those of the configured archive must not become those of its copy.
    """
    usual = archive_settings().zip_path.resolve()
    if zip_path == usual or zip_path.name != usual.name:
        remember_archive(zip_path)


def known_chunks(zip_path: Path) -> dict[str, str]:
    """The names of the chunks that are known to be in this archive, each with that of its ZIP."""
    active = readable_name(zip_path.name)
    known = ArchivedChunk.objects.values_list("name", "zip_name")
    return {chunk: zip_name for chunk, zip_name in known if is_name_in_set(zip_name, active)}


def missing_chunks(zip_path: Path) -> set[str]:
    """Chunks that are known to be in this archive and are not, and were neither merged nor removed on purpose.

    Raises ArchiveDamaged when a sidecar is unreadable. For who holds the archive's locks.
    """
    there = {name for sidecars in _settled(zip_path).values() for sidecar in sidecars for name in names_of(sidecar)}
    return known_chunks(zip_path).keys() - there - removed_chunks(zip_path)


def _settled(zip_path: Path) -> dict[Path, list[Sidecar]]:
    """The archive's sidecars by ZIP, in their order; what killed runs were about to remove is compared with them."""
    there = {path: read_sidecars(path) for path in archive_zips(zip_path)}
    settle_removals(zip_path, there)
    return there
