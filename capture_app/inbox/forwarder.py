"""From the local spool into the stream that all hosts share.

A segment is removed when Redis has taken all of it. Killed before that, it is forwarded again: whatever reads the
stream must bear repeats (see Batch.may_repeat).
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Final

from capture_app.blobs import Blob, blob_path, referenced_blobs
from capture_app.inbox.base import Batch
from capture_app.inbox.redis_client import CaptureStream
from capture_app.inbox.spool import SpoolInbox

_AT_ONCE_BYTES: Final = 2**20  # what one round trip takes, and one record more
_AT_ONCE_RECORDS: Final = 500

_Record = tuple[bytes, list[Blob]]


class Forwarder:
    """Counts what it has forwarded. One at a time per spool, which is the caller's concern."""

    def __init__(self, spool: SpoolInbox, data_dir: Path, stream: CaptureStream) -> None:
        self.records = 0
        self.segments = 0
        self._spool = spool
        self._data_dir = data_dir
        self._stream = stream

    def forward_all(self) -> None:
        """Forward what is in the spool now. Raises redis.RedisError or OSError, and keeps what was under way."""
        for segment in chain(self._spool.sealed(), self._spool.seal()):
            self._forward(segment)

    def _forward(self, segment: Batch) -> None:
        try:
            for records in _in_groups(self._records(segment.path)):
                self._stream.add_all(records)
                self.records += len(records)
        except FileNotFoundError:  # the drain of this host has taken the segment
            return
        self._spool.acknowledge(segment)
        self.segments += 1

    def _records(self, path: Path) -> Iterator[_Record]:
        """Each line as it is, torn ones too, with the blobs that no line before it has brought along."""
        sent: set[str] = set()
        with path.open("rb") as lines:
            for line in lines:
                if line.strip():
                    hashes = set(referenced_blobs(line)) - sent
                    sent |= hashes
                    yield line, list(self._blobs(hashes))

    def _blobs(self, hashes: Iterable[str]) -> Iterator[Blob]:
        for sha256 in sorted(hashes):
            path = blob_path(self._data_dir, sha256)
            if path.exists():  # not when it was too large to be kept, or is only spoken of
                yield Blob(sha256, "", path.read_bytes())


def _in_groups(records: Iterable[_Record]) -> Iterator[list[_Record]]:
    group: list[_Record] = []
    size = 0
    for line, blobs in records:
        group.append((line, blobs))
        size += len(line) + sum(len(blob.content) for blob in blobs)
        if size >= _AT_ONCE_BYTES or len(group) == _AT_ONCE_RECORDS:
            yield group
            group, size = [], 0
    if group:
        yield group
