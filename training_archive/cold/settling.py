"""What became of parts whose move, or whose return, was killed."""

from collections.abc import Collection
from pathlib import Path

from django.db import transaction

from training_archive.archive_set import read_sidecars
from training_archive.chunks import Sidecar
from training_archive.cold.ledger import ColdPart, Ledger, State, chunk_names
from training_archive.dated_names import archive_zips
from training_archive.models import ArchivedChunk
from training_archive.records import remember_chunk
from training_archive.removed_chunks import names_of


def settled_ledger(zip_path: Path) -> Ledger:
    """The ledger, with nothing halfway in it. Asks no storage. For who holds the archive's locks.

    A chunk that is still here, under its own name or in one that it was merged into, has not left, or has returned:
    its part becomes loose. Raises ArchiveDamaged when a ZIP or the ledger cannot be read.
    """
    ledger = Ledger.read(zip_path)
    halfway = [part for part in ledger.parts.values() if part.state != State.THERE]
    if halfway:
        here = _names_here(zip_path)
        for part in halfway:
            if chunk_names([part]) & here:
                ledger.let_go(part)
            else:
                remember_part(part)
                ledger.becomes(part, State.THERE)
    return ledger


def _names_here(zip_path: Path) -> set[str]:
    sidecars: list[Sidecar] = [sidecar for path in archive_zips(zip_path) for sidecar in read_sidecars(path)]
    return set[str]().union(*map(names_of, sidecars))


def remember_part(part: ColdPart) -> None:
    """Django's database knows its chunks under the name of the part, which is that of no ZIP here."""
    with transaction.atomic():
        for chunk in part.chunks:
            remember_chunk(chunk, Path(part.name))


def remember_cold(zip_path: Path) -> Collection[str]:
    """The same for all parts; their names."""
    parts = [part for part in Ledger.read(zip_path).parts.values() if part.state == State.THERE]
    for part in parts:
        remember_part(part)
    return {part.name for part in parts}


def forget_records(chunks: Collection[str]) -> None:
    """The chunks are nowhere any more."""
    for name in chunks:
        ArchivedChunk.objects.filter(name=name).delete()
