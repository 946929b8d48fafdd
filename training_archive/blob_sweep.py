"""Removing the images and files that only examples referred to which are gone now.

They are marked before those examples go, and swept afterwards: what a killed run marked, the next one sweeps.
"""

import re
from collections.abc import Collection, Iterator
from pathlib import Path

import orjson

from capture_app.blobs import FOLDER as BLOBS
from capture_app.blobs import REFERENCE, blob_path, bring_back_blobs, remove_blobs, remove_unfinished_blobs
from capture_app.conf import capture_settings
from capture_app.example import TABLE
from capture_app.files import scratch_directory, write_atomically
from capture_app.live_database import ALIAS, lock_live_database
from capture_app.progress import Progress
from capture_app.quarantine import FOLDER as QUARANTINE
from capture_app.services import drain_captures
from training_archive.conf import archive_settings
from training_archive.dated_names import archive_zips
from training_archive.erasing import attached_file, blobs_in_table
from training_archive.reader import CHUNK, attached_chunks, reading_session
from training_archive.removed_blobs import note_removed_blobs
from training_archive.sealed import sealed_files

_REFERENCE = re.compile(REFERENCE.encode() + rb"([0-9a-f]{64})")


def mark_blobs(hashes: Collection[str]) -> None:
    """Remember that examples which refer to these blobs are about to go. For who holds the archive's locks."""
    if hashes:
        _marks().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(_marks(), orjson.dumps(sorted({*_marked(), *hashes})))


def has_marked_blobs() -> bool:
    """Whether a sweep is due."""
    return _marks().exists()


def sweep_marked_blobs(zip_path: Path, progress: Progress) -> int:
    """Remove those of the marked blobs to which no example refers any more; how many.

    Everything is searched: the ZIPs (those of the configured archive, too, when `zip_path` is another), the sealed
    files, the live database after a drain, and quarantine. What comes into the inbox meanwhile is safe by the blobs'
    own times. For who holds the archive's locks, and is `alone` with what is put aside.
    """
    data_dir = capture_settings().data_dir
    remove_unfinished_blobs(data_dir)
    left = _marked()
    if not left:
        return 0
    bring_back_blobs(data_dir, left)
    _marks().touch()
    since = _marks().stat().st_mtime  # by the clock of the blobs' own times, which is coarser than time.time
    drain_captures(progress=progress)
    for used in _users(left, zip_path, progress):
        left -= used
    removed = remove_blobs(data_dir, left, unused_since=since)
    note_removed_blobs(data_dir, (sha256 for sha256 in left if not blob_path(data_dir, sha256).exists()))
    _marks().unlink()
    return removed


def _marks() -> Path:
    return capture_settings().data_dir / BLOBS / ".marked.json"


def _marked() -> set[str]:
    return set(orjson.loads(_marks().read_bytes())) if _marks().exists() else set()


def _users(candidates: set[str], zip_path: Path, progress: Progress) -> Iterator[set[str]]:
    """Which of the candidates each place refers to."""
    conf = capture_settings()
    yield from (_in_file(path) for path in (conf.data_dir / QUARANTINE).rglob("*.jsonl"))
    with lock_live_database(conf.live_database) as live:
        if conf.live_database.exists():
            with live.connect(read_only=True) as connection:
                yield blobs_in_table(connection, f"{ALIAS}.{TABLE}", candidates)
    with scratch_directory(conf.data_dir) as scratch:
        for path in sealed_files():
            with attached_file(path, scratch) as (connection, table):
                yield blobs_in_table(connection, table, candidates)
    for archive in {zip_path, archive_settings().zip_path.resolve()}:
        yield from _in_archive(candidates, archive, progress)


def _in_archive(candidates: set[str], zip_path: Path, progress: Progress) -> Iterator[set[str]]:
    if archive_zips(zip_path):
        with reading_session(capture_settings().data_dir) as (connection, scratch):
            for _ in attached_chunks(connection, zip_path, scratch, progress):
                yield blobs_in_table(connection, f"{CHUNK}.{TABLE}", candidates)


def _in_file(path: Path) -> set[str]:
    with path.open("rb") as lines:
        return {found.decode() for line in lines for found in _REFERENCE.findall(line)}
