"""Examples that are to be forgotten, in cold storage: searched part by part, and each that holds some written anew.

A part is downloaded, one at a time, for the index may not know all that a chunk holds. What cannot be reached keeps the
request pending: what is here is erased all the same.
"""

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from capture_app.conf import capture_settings
from capture_app.files import scratch_directory
from capture_app.progress import Progress
from training_archive.chunks import Sidecar
from training_archive.cold.ledger import ColdPart, Ledger, State
from training_archive.cold.parts import blobs_inside, build_part, unpacked_blobs
from training_archive.cold.settling import forget_records, remember_part, settled_ledger
from training_archive.cold.storage import adopt_lost, clear_loose, downloaded, send_part
from training_archive.conf import archive_settings
from training_archive.erasing import blobs_of_chunks, chunks_without
from training_archive.exceptions import ArchiveError
from training_archive.zip_archive import extract_chunk, list_all_chunks, open_zip
from training_archive.zip_writer import rewrite_zip

logger = logging.getLogger("training_archive")

Look = Callable[[Path, str], bool]  # at a chunk's file, of that name: whether what is meant is in it


class ColdStorageUnreached(ArchiveError):
    """What is in cold storage could not be searched or written anew. The request stays pending."""


@dataclass(slots=True)
class ColdFindings:
    """What a search of cold storage found."""

    parts: dict[str, set[str]] = field(default_factory=dict)  # name -> chunks that hold some
    parts_searched: int = 0
    chunks_searched: int = 0
    problem: str = ""  # why not all of it could be searched


def search_cold(zip_path: Path, look: Look, scratch: Path, progress: Progress) -> ColdFindings:
    """Have each chunk looked at. For who holds the archive's locks. What cannot be searched is in the findings."""
    found = ColdFindings()
    with _told(found):
        ledger = _ledger(zip_path)
        for part in ledger.parts.values():
            with downloaded(part, scratch, progress) as path:
                _search_part(part, path, look, scratch, found, progress)
    return found


def _ledger(zip_path: Path) -> Ledger:
    """What is loose may hold what is meant, so it has to go, too."""
    ledger = settled_ledger(zip_path)
    adopt_lost(ledger)
    clear_loose(ledger)
    return ledger


@contextmanager
def _told(found: ColdFindings) -> Iterator[None]:
    try:
        yield
    except (ArchiveError, OSError) as error:
        logger.warning("Cold storage could not be searched for what is to be forgotten: %s", error)
        found.problem = str(error)


def _search_part(
    part: ColdPart, path: Path, look: Look, scratch: Path, found: ColdFindings, progress: Progress
) -> None:
    found.parts_searched += 1
    with open_zip(path) as archive:
        for member in list_all_chunks(archive):
            found.chunks_searched += 1
            chunk = extract_chunk(archive, member, scratch, progress)
            if look(chunk, member.name):
                found.parts.setdefault(part.name, set()).add(member.name)
            chunk.unlink()


def erase_in_cold(zip_path: Path, found: ColdFindings, ids: Collection[str], progress: Progress) -> None:
    """Write the parts anew without these examples, and delete the old ones. For who holds the archive's locks.

    Raises ColdStorageUnreached when that, or the search before, failed: run it again.
    """
    problem = found.problem
    try:
        ledger = Ledger.read(zip_path)
        for name, chunks in found.parts.items():
            if name in ledger.parts:
                _rewrite(ledger, ledger.parts[name], chunks, ids, progress)
    except (ArchiveError, OSError) as error:
        problem = str(error)
    if problem:
        raise ColdStorageUnreached(
            f"Cold storage could not be reached, or not be changed: {problem} What was found on this host is erased "
            "there; the request stays pending until cold storage is searched, too. Run `manage.py forget` again then."
        )


def _rewrite(ledger: Ledger, part: ColdPart, chunks: Collection[str], ids: Collection[str], progress: Progress) -> None:
    data_dir = capture_settings().data_dir
    with scratch_directory(data_dir) as scratch, downloaded(part, scratch, progress) as path:
        changed = chunks_without(path, ids, chunks, scratch=scratch, progress=progress)
        rewrite_zip(path, changed.replace, compresslevel=archive_settings().compresslevel, progress=progress)
        successor = _sent(ledger, part, path, scratch, progress)
        forget_records([chunk.chunk for chunk in changed.emptied])
        if successor:
            remember_part(successor)
        ledger.let_go(part, instead=successor)
        clear_loose(ledger)


def _sent(ledger: Ledger, part: ColdPart, path: Path, scratch: Path, progress: Progress) -> ColdPart | None:
    """What is left of the part, with the blobs that it still refers to, in the same storage; None: nothing is."""
    with open_zip(path) as archive:
        names = [member.name for member in list_all_chunks(archive)]
        inside = set(blobs_inside(archive))
    if not names:
        return None
    needed = blobs_of_chunks(path, names, scratch, progress) & inside
    target = scratch / "successor.zip"
    with open_zip(path) as archive, unpacked_blobs(archive, needed, scratch / "blobs") as blobs:
        chunks: list[Sidecar] = build_part(path, names, blobs, target, progress)
    return send_part(
        ledger,
        target,
        tuple(chunks),
        month=part.month,
        blobs=len(blobs),
        to=part.place[:2],
        state=State.THERE,
        progress=progress,
    )
