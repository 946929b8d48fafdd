"""The archive as a set of ZIPs: the active one, which bears the configured name, and the dated ones before it.

A ZIP that has become too large or too old is renamed, `llm_training_dataset.zip` to `llm_training_dataset-20261121.zip`
(`-20261121-2.zip` when that name is taken), and the next chunk begins a new one. So what an append has to copy stays
bounded, a dated ZIP is never appended to, and the usual name always leads to what came last.
"""

import re
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from capture_app.files import fsync_directory
from training_archive.chunks import Sidecar
from training_archive.exceptions import ArchiveError
from training_archive.zip_archive import list_chunks, open_zip, read_sidecar

_TRIES: Final = 10


def archive_zips(zip_path: Path) -> list[Path]:
    """The ZIPs of the archive whose active ZIP is, or will be, `zip_path`; the oldest first."""
    active = [zip_path] if zip_path.exists() else []
    return dated_zips(zip_path) + active


def dated_zips(zip_path: Path) -> list[Path]:
    """The ZIPs that were rolled over, the oldest first."""
    pattern = re.compile(
        rf"{re.escape(zip_path.stem)}-(\d{{8}})(?:-(\d{{1,9}}))?{re.escape(zip_path.suffix)}", re.ASCII
    )
    found = []
    if zip_path.parent.is_dir():
        for path in zip_path.parent.iterdir():
            matched = pattern.fullmatch(path.name)
            if matched and path.is_file():
                found.append((matched[1], int(matched[2] or 1), path))
    return [path for _, _, path in sorted(found)]


@contextmanager
def open_archive(zip_path: Path) -> Iterator[list[zipfile.ZipFile]]:
    """Open all ZIPs of the archive for reading, as they are at one moment. What replaces them later is not seen.

    Raises ArchiveError when there is none, ArchiveDamaged when one of them is unreadable.
    """
    for last_try in [False] * _TRIES + [True]:
        names = archive_zips(zip_path)
        with ExitStack() as stack:
            try:
                archives = [stack.enter_context(open_zip(path)) for path in names or [zip_path]]
            except ArchiveError:
                if last_try or names == archive_zips(zip_path):
                    raise
                continue  # rolled over or removed since it was listed
            if last_try or names == archive_zips(zip_path):
                yield archives
                return


def read_sidecars(zip_path: Path) -> list[Sidecar]:
    """The sidecars of one ZIP, none when it is missing. Raises ArchiveDamaged."""
    if not zip_path.exists():
        return []
    with open_zip(zip_path) as archive:
        return [read_sidecar(archive, member) for member in list_chunks(archive)]


def roll_over(zip_path: Path, now: datetime) -> Path:
    """Give the active ZIP the name of the day, in UTC; the next append begins a new one. The new name."""
    day = zip_path.with_name(f"{zip_path.stem}-{now.astimezone(UTC):%Y%m%d}{zip_path.suffix}")
    dated, number = day, 1
    while dated.exists():
        number += 1
        dated = day.with_name(f"{day.stem}-{number}{day.suffix}")
    zip_path.rename(dated)
    fsync_directory(zip_path.parent)
    return dated
