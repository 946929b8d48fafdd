"""The archive as a set of ZIPs: the active one, which bears the configured name, and the dated ones before it.

A ZIP that has become too large or too old is renamed, `llm_training_dataset.zip` to `llm_training_dataset-20261121.zip`
(`-20261121-2.zip` when that name is taken), and the next chunk begins a new one. So what an append has to copy stays
bounded, a dated ZIP is never appended to, and the usual name always leads to what came last.
"""

import errno
import re
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from capture_app.files import fsync_directory
from training_archive.chunks import Sidecar
from training_archive.exceptions import ArchiveDamaged, ArchiveError
from training_archive.zip_archive import ChunkMember, list_chunks, open_zip, read_sidecar

_TRIES: Final = 10


class _Dated(NamedTuple):
    """A name that a ZIP was rolled over to. They sort as they came to be."""

    day: str  # YYYYmmdd
    number: int  # on that day, from 1
    path: Path


def archive_zips(zip_path: Path) -> list[Path]:
    """The ZIPs of the archive whose active ZIP is, or will be, `zip_path`; the oldest first.

    The dated ones are beside the file itself, wherever a link to it may be.
    """
    zip_path = zip_path.resolve()
    active = [zip_path] if zip_path.exists() else []
    return dated_zips(zip_path) + active


def dated_zips(zip_path: Path) -> list[Path]:
    """The ZIPs that were rolled over, the oldest first."""
    # A link that leads nowhere is told by whoever opens it: a disk that is not mounted must not look like no ZIP.
    return [dated.path for dated in _dated(zip_path.resolve()) if dated.path.is_file() or dated.path.is_symlink()]


def is_name_in_set(name: str, active: str) -> bool:
    """Whether `name` is the name `active` of an active ZIP, or that of one of its dated ones."""
    return name == active or _pattern(Path(active)).fullmatch(name) is not None


def _dated(zip_path: Path) -> list[_Dated]:
    """Whatever bears a dated name, be it a ZIP or not."""
    if not zip_path.parent.is_dir():
        return []
    pattern = _pattern(zip_path)
    found = ((pattern.fullmatch(path.name), path) for path in zip_path.parent.iterdir())
    return sorted(_Dated(matched[1], int(matched[2] or 1), path) for matched, path in found if matched)


def _pattern(zip_path: Path) -> re.Pattern[str]:
    stem, suffix = re.escape(zip_path.stem), re.escape(zip_path.suffix)
    return re.compile(rf"{stem}-(\d{{8}})(?:-(\d{{1,9}}))?{suffix}", re.ASCII)


@contextmanager
def open_archive(zip_path: Path) -> Iterator[list[zipfile.ZipFile]]:
    """Open all ZIPs of the archive for reading, as they are at one moment. What replaces them later is not seen.

    Raises ArchiveError when there is none, ArchiveDamaged when one of them is unreadable.
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


def roll_over(zip_path: Path, now: datetime) -> Path:
    """Give the active ZIP the name of the day, in UTC; the next append begins a new one. The new name.

    It sorts behind all that were given before, also when the clock has stepped back: readers take the oldest ZIP first.
    """
    today = f"{now.astimezone(UTC):%Y%m%d}"
    before = _dated(zip_path)
    day = max([today, *(dated.day for dated in before)])
    number = max((dated.number for dated in before if dated.day == day), default=0) + 1
    ending = f"-{number}" if number > 1 else ""
    dated = zip_path.with_name(f"{zip_path.stem}-{day}{ending}{zip_path.suffix}")
    zip_path.rename(dated)
    fsync_directory(zip_path.parent)
    return dated
