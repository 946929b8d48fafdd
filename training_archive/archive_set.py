"""The archive as a set of ZIPs, opened together (dated_names says which belong to it)."""

import errno
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from capture_app.wording import counted
from training_archive.chunks import Sidecar
from training_archive.cold.ledger import InColdStorage, cold_parts
from training_archive.dated_names import archive_zips
from training_archive.exceptions import ArchiveDamaged, ArchiveError
from training_archive.zip_archive import ChunkMember, list_chunks, open_zip, read_sidecar

_TRIES: Final = 10


@contextmanager
def open_archive(zip_path: Path) -> Iterator[list[zipfile.ZipFile]]:
    """Open all ZIPs of the archive for reading, as they are at one moment. What replaces them later is not seen.

    Raises ArchiveError when there is none, InColdStorage when all of it is there, ArchiveDamaged when a ZIP is
    unreadable.
    """
    with ExitStack() as stack:
        for _ in range(_TRIES):
            archives = _open_set(zip_path, stack)
            if archives is not None:
                break
        else:
            raise ArchiveError(
                f"The ZIPs of {zip_path} were renamed again and again while they were opened. Nothing was changed. Run "
                "this again when the archive runs have finished."
            )
        yield archives


def _open_set(zip_path: Path, stack: ExitStack) -> list[zipfile.ZipFile] | None:
    """All ZIPs, to be closed with the stack. None: one was rolled over or removed since they were listed."""
    paths = archive_zips(zip_path)
    if not paths:
        _refuse_cold(zip_path)
    with ExitStack() as opened:
        try:
            archives = [opened.enter_context(open_zip(path)) for path in paths or [zip_path]]
            if paths != archive_zips(zip_path):
                return None
        except (ArchiveError, OSError) as error:
            opened.close()
            _refuse_too_many(error, len(paths))
            if paths != archive_zips(zip_path):
                return None
            raise
        stack.enter_context(opened.pop_all())
        return archives


def _refuse_cold(zip_path: Path) -> None:
    parts = cold_parts(zip_path.resolve())
    if parts:
        chunks = counted(sum(len(part.chunks) for part in parts), "chunk")
        raise InColdStorage(
            f"All of the archive at {zip_path} is in cold storage, {chunks}. Bring it back with `manage.py "
            "fetch_archive --from-cold`, or copy it into a folder with --to."
        )


def _refuse_too_many(error: Exception, count: int) -> None:
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, OSError) and cause.errno in (errno.EMFILE, errno.ENFILE):
        raise ArchiveError(
            f"The archive has {count:,} ZIPs, more files than may be open at once. Nothing was changed. Allow more "
            "with `ulimit -n`, and have fewer ZIPs from now on with a larger ROLL_BYTES or ROLL_DAYS."
        ) from error


def read_sidecars(zip_path: Path) -> list[Sidecar]:
    """The sidecars of one ZIP, none when it is missing. Raises ArchiveDamaged."""
    if not zip_path.exists():
        return []
    with open_zip(zip_path) as archive:
        return [_own_sidecar(archive, member) for member in list_chunks(archive)]


def _own_sidecar(archive: zipfile.ZipFile, member: ChunkMember) -> Sidecar:
    """Chunks are removed by what their sidecars say: one that speaks of another chunk is not believed."""
    sidecar = read_sidecar(archive, member)
    if sidecar.chunk != member.name:
        raise ArchiveDamaged(f"{archive.filename}: {member.info.filename}: its sidecar is another chunk's")
    return sidecar
