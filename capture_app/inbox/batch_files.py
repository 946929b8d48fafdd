"""Entries of a shared inbox that a drain has fetched, as batches: files that need no server to be drained again.

A batch NAME is on the disk before anybody sees it: first `NAME.ids`, the ids of its entries, then `NAME.jsonl`, its
records. When it is in the live database for good, the first becomes `NAME.done` and the second goes; when the server
has forgotten the entries too, the last goes. All of it happens under the live database's lock.
"""

import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from capture_app.files import fsync_directory, write_atomically
from capture_app.inbox.base import Batch

_RECORDS: Final = ".jsonl"
_IDS: Final = ".ids"
_DONE: Final = ".done"
_CONSUMER: Final = "consumer"


class DoneBatch(NamedTuple):
    """A batch that is in the live database, and whose entries the server may still have."""

    ids: list[bytes]
    path: Path


class BatchFiles:
    """`directory` is made when it is needed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def consumer(self) -> str:
        """The name of this data directory at the server, made once: a drain finds what one before it had fetched.

        It is no host's name, because a container has another one each time it starts.
        """
        path = self._directory / _CONSUMER
        if not path.exists():
            self._make()
            write_atomically(path, uuid.uuid4().hex.encode())
        return path.read_text()

    def batches(self) -> list[Batch]:
        """Those that are not in the live database for sure."""
        return [_batch(path) for path in self._files(_RECORDS)]

    def write(self, ids: Sequence[bytes], records: bytes) -> Batch:
        """Keep the fetched records. Raises OSError; then there is no batch."""
        self._make()
        name = f"{time.time_ns():020d}-stream-{uuid.uuid4().hex[:12]}"
        write_atomically(self._directory / (name + _IDS), b"\n".join(ids))
        path = self._directory / (name + _RECORDS)
        write_atomically(path, records)
        return _batch(path)

    def held_ids(self) -> set[bytes]:
        """The entries of all batches that wait to be drained."""
        return {entry_id for path in self._files(_IDS) for entry_id in _ids(path)}

    def finish(self, batches: Sequence[Batch]) -> None:
        """The batches are in the live database for good."""
        for batch in batches:
            ids = batch.path.with_suffix(_IDS)
            if ids.exists():  # not when a finish was interrupted
                ids.rename(ids.with_suffix(_DONE))
            batch.path.unlink(missing_ok=True)
        fsync_directory(self._directory)

    def done(self) -> Iterator[DoneBatch]:
        for path in self._files(_DONE):
            yield DoneBatch(_ids(path), path)

    def clean(self) -> None:
        """Remove what a drain left that was killed before it had a batch. Its entries are pending, and come again."""
        for path in self._files(_IDS):
            if not path.with_suffix(_RECORDS).exists():
                path.unlink()
        for path in self._directory.glob(".*.tmp"):
            path.unlink()

    def _files(self, suffix: str) -> list[Path]:
        return sorted(self._directory.glob(f"*{suffix}"))

    def _make(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)


def _batch(path: Path) -> Batch:
    # Servers fail over to copies that lag behind, and writers that had no answer write again.
    return Batch(name=path.stem, path=path, size=path.stat().st_size, may_repeat=True)


def _ids(path: Path) -> list[bytes]:
    return path.read_bytes().split()
