"""The folder of an export: prepared where nobody looks, and put in place when all of it is there.

What is being written is in a hidden folder on the same file system. It is locked while its run lives, so that what a
killed run left there is known for what it is, and goes with the next run.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from capture_app.files import fsync_directory
from training_archive.exports.exceptions import ExportBusy, ExportError
from training_archive.exports.manifest import LINEAGE, MANIFEST, read_manifest


@contextmanager
def staging_folder(path: Path) -> Iterator[Path]:
    """The folder `path`, made empty, for this run alone; removed at the end, unless it was renamed. ExportBusy."""
    descriptor = _locked(path)
    try:
        empty(path)
        yield path
    finally:
        if _is_still(path, descriptor):
            shutil.rmtree(path)
        os.close(descriptor)


def _locked(path: Path) -> int:
    while True:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # the run that had it has just ended
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise ExportBusy(
                f"Another export is writing in {path.parent}. Nothing was changed; wait for it, or write elsewhere."
            ) from error
        if _is_still(path, descriptor):
            return descriptor
        os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether the path still leads to the folder that was opened, and not to another run's."""
    with suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    return False


def empty(folder: Path) -> None:
    """Remove all that is in the folder."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def make_private(folder: Path) -> None:
    """What an export holds is for nobody but its owner: 0700 and 0600."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    for path in folder.rglob("*"):
        if path.is_dir():
            fsync_directory(path)
    fsync_directory(folder)


def names_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def check_folder(out: Path, *, overwrite: bool) -> None:
    """Raise ExportError unless the folder is missing, empty, or, with `overwrite`, an export and nothing else."""
    if not out.exists():
        return
    if not out.is_dir():
        raise ExportError(f"{out} is no folder. Nothing was changed; choose another --out.")
    if not any(out.iterdir()):
        return
    manifest = read_manifest(out / MANIFEST)
    if manifest is None:
        raise ExportError(f"{out} holds something that is no export. Nothing was changed; choose another --out.")
    if not overwrite:
        raise ExportError(f"{out} holds an export already. Nothing was changed; replace it with --overwrite.")
    strangers = sorted(set(names_below(out)) - _names_in(manifest))
    if strangers:
        raise ExportError(
            f"{out} holds more than the export: {', '.join(strangers[:3])}. Nothing was changed; move that away first."
        )


def _names_in(manifest: Mapping[str, Any]) -> set[str]:
    names = manifest.get("files")
    return {MANIFEST, LINEAGE, *(names if isinstance(names, list) else ())}


def put_in_place(staging: Path, out: Path) -> None:
    """Rename the finished folder to `out`. An export there goes after that; see `put_back` for a kill in between."""
    replaced = _replaced(out)
    if out.exists() and any(out.iterdir()):
        out.rename(replaced)
    staging.rename(out)
    fsync_directory(out.parent)
    shutil.rmtree(replaced, ignore_errors=True)


def put_back(out: Path) -> None:
    """Undo what a killed `put_in_place` left half done. Only while the staging folder is held."""
    replaced = _replaced(out)
    if not replaced.exists():
        return
    if out.exists():
        shutil.rmtree(replaced)
    else:
        replaced.rename(out)


def _replaced(out: Path) -> Path:
    return out.with_name(f".{out.name}.replaced")
