"""The inbox of several hosts: a Redis stream. Every host appends to it, and one host drains it.

While Redis cannot be used, a host's records go to its own spool, at once; when Redis is back, they are forwarded. An
entry is forgotten by Redis only when its record is in the live database for good. Order is not promised.

Nothing is lost or stored twice as long as Redis keeps what it answered for: `appendonly yes`, `appendfsync always` and
the eviction policy `noeviction`. See docs/adr/0009-redis-inbox.md.
"""

import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

from filelock import FileLock, Timeout
from redis.exceptions import RedisError

from capture_app.blobs import Blob, store_blobs
from capture_app.conf import CaptureSettings
from capture_app.exceptions import CaptureConfigurationError, InboxError
from capture_app.inbox.base import Batch, ForwardingBusy, ForwardReport, Inbox, InboxDepth
from capture_app.inbox.batch_files import BatchFiles
from capture_app.inbox.breaker import Breaker
from capture_app.inbox.forwarder import Forwarder
from capture_app.inbox.redis_client import NEW, OLDEST, CaptureStream, Entry, StreamDepth, order, record_of
from capture_app.inbox.spool import SpoolInbox

FOLDER: Final = "redis"
CLAIM_AFTER: Final = 600.0  # seconds; what a drain has left pending for so long, another one takes over

APPEND_TIMEOUT: Final = 0.3  # seconds; what a call waits at most for a Redis that hangs, once per wait of the breaker
WORK_TIMEOUT: Final = 5.0  # seconds; for drains, which hold the live database meanwhile, and for forwarding
_FORWARD_INTERVAL = 5.0  # seconds between tries to forward, per process
_LOCK = ".forward.lock"

logger = logging.getLogger("capture_app")


class RedisStreamInbox(Inbox):
    """Several hosts append; the host whose data directory holds the live database drains."""

    def __init__(self, url: str, key: str, data_dir: Path, spool: SpoolInbox) -> None:
        self._url = url
        self._key = key
        self._data_dir = data_dir
        self._spool = spool
        self._files = BatchFiles(data_dir / FOLDER)
        self._process = _Process(url, key)

    @classmethod
    def from_settings(cls, conf: CaptureSettings) -> Self:
        if not conf.redis_url:
            raise CaptureConfigurationError(
                "RedisStreamInbox needs REDIS_URL in TRAINING_CAPTURE, such as redis://host:6379/0."
            )
        return cls(conf.redis_url, conf.redis_stream, conf.data_dir, SpoolInbox.from_settings(conf))

    # --- In the process that made the call -------------------------------------------------------------------------

    def append(self, line: bytes, blobs: Sequence[Blob] = ()) -> None:
        process = self._own_process()
        if process.breaker.allows() and _is_added(process, line, blobs):
            if process.may_owe:
                self._forward_soon(process)
            return
        self._spool.append(line, blobs)
        process.may_owe = True  # said afterwards: a forwarder that began before may have missed this record

    def take_in(self, lines: Iterable[bytes]) -> int:
        """Into the local spool, whether Redis is there or not: the drain of this host takes them, or a forwarder."""
        count = self._spool.take_in(lines)
        self._own_process().may_owe = True
        return count

    def _own_process(self) -> "_Process":
        if self._process.pid != os.getpid():  # forked: the parent's connections are not to be touched
            self._process = _Process(self._url, self._key)
        return self._process

    def _forward_soon(self, process: "_Process") -> None:
        """Redis takes records: have a thread bring those that are in the spool, unless one has just tried."""
        now = time.monotonic()
        if now < process.next_forward:
            return
        process.next_forward = now + _FORWARD_INTERVAL
        process.may_owe = False
        try:
            if self._spool.depth().bytes:
                threading.Thread(target=self._forward_quietly, args=(process,), daemon=True).start()
        except (OSError, RuntimeError):  # an unreadable folder, or an interpreter that is about to end
            process.may_owe = True

    def _forward_quietly(self, process: "_Process") -> None:
        try:
            report = self.forward()
        except ForwardingBusy:  # it may have begun before our last record
            process.may_owe = True
        except (InboxError, OSError) as error:
            process.may_owe = True
            logger.warning("The local spool could not be forwarded and stays as it is: %s", error)
        else:
            logger.info("Forwarded %d records from the local spool to Redis.", report.records)

    def forward(self) -> ForwardReport:
        """Bring the local spool into the stream; see Inbox.forward."""
        started = time.monotonic()
        folder = self._spool.directory
        forwarder = Forwarder(self._spool, self._data_dir, self._own_process().patient)
        if folder.is_dir():
            try:
                with FileLock(folder / _LOCK, timeout=0):
                    forwarder.forward_all()
            except Timeout as error:
                raise ForwardingBusy(
                    f"Another process is forwarding the records in {folder} to Redis. Nothing was changed; run this "
                    "again when it has finished."
                ) from error
            except RedisError as error:
                raise InboxError(
                    f"Redis could not take the records in {folder}: {_reason(error)}. It has {forwarder.records} of "
                    "them; the rest is safe where it is. Run this again when Redis is well."
                ) from error
        seconds = time.monotonic() - started
        return ForwardReport(records=forwarder.records, segments=forwarder.segments, seconds=seconds)

    # --- In the drain, under the live database's lock --------------------------------------------------------------

    def leftovers(self) -> list[Batch]:
        """All of them are files: neither these nor a rotation of the live database needs Redis."""
        return [*self._files.batches(), *self._taken(self._spool.leftovers())]

    def seal(self) -> Iterator[Batch]:
        """The local spool's records, and what is in the stream now. Without Redis, a warning stands for the latter."""
        yield from self._taken(self._spool.seal())
        try:
            yield from self._fetched(self._own_process().patient)
        except RedisError as error:
            logger.warning(
                "Redis cannot be drained: %s. What is in the stream waits there for the next drain; what was in the "
                "local spool is drained.",
                _reason(error),
            )

    def acknowledge(self, *batches: Batch) -> None:
        from_spool = [batch for batch in batches if batch.path.parent == self._spool.directory]
        fetched = [batch for batch in batches if batch not in from_spool]
        if from_spool:
            self._spool.acknowledge(*from_spool)
        if fetched:
            self._files.finish(fetched)
            try:
                self._forget_done(self._own_process().patient)
            except RedisError as error:
                logger.warning("Redis cannot be told what was drained: %s. The next drain tells it.", _reason(error))

    def _taken(self, segments: Iterable[Batch]) -> Iterator[Batch]:
        """The segments of the local spool, out of the reach of a forwarder, which may have sent them all the same."""
        for segment in segments:
            taken = self._spool.take(segment)
            if taken is not None:
                yield replace(taken, may_repeat=True)

    def _fetched(self, stream: CaptureStream) -> Iterator[Batch]:
        """The stream's entries up to its present end, each batch a file before it is offered."""
        self._files.clean()
        self._forget_done(stream)
        consumer = self._files.consumer()
        end = stream.open(consumer, claim_after=CLAIM_AFTER)
        held = self._files.held_ids()
        after = OLDEST
        # First what a drain had fetched that was killed before it had a file of it, or that was claimed just now.
        while entries := stream.read(consumer, after):
            after = entries[-1].id
            missing = [entry for entry in entries if entry.id not in held]
            if missing:
                yield self._keep(missing)
        after = OLDEST
        while order(after) < order(end) and (entries := stream.read(consumer, NEW)):
            after = entries[-1].id
            yield self._keep(entries)

    def _keep(self, entries: Sequence[Entry]) -> Batch:
        """The entries as a batch on this host's disk, their blobs with them."""
        lines: list[bytes] = []
        for entry in entries:
            line, blobs = record_of(entry)
            store_blobs(self._data_dir, blobs, fsync=True)  # Redis is about to forget them
            lines.append(line)
        return self._files.write([entry.id for entry in entries], b"".join(lines))

    def _forget_done(self, stream: CaptureStream) -> None:
        for batch in self._files.done():
            stream.forget(batch.ids)
            batch.path.unlink(missing_ok=True)

    # --- Anywhere --------------------------------------------------------------------------------------------------

    def depth(self) -> InboxDepth:
        """Bytes of Redis's memory and of the local spool; of the latter alone, with a warning, while Redis is away."""
        stream, spool = self._stream_depth(), self._spool.depth()
        times = [time for time in (stream.oldest_at, spool.oldest_at) if time]
        return InboxDepth(stream.bytes + spool.bytes, min(times, default=None))

    def count_rows(self) -> int:
        return self._stream_depth().entries + self._spool.count_rows()

    def _stream_depth(self) -> StreamDepth:
        try:
            return self._own_process().quick.depth()
        except RedisError as error:
            logger.warning("Redis cannot say what waits there: %s. The local spool alone is counted.", _reason(error))
            return StreamDepth(0, 0, None)


class _Process:
    """What a process must not share with the one that it was forked from."""

    def __init__(self, url: str, key: str) -> None:
        self.pid = os.getpid()
        self.quick = CaptureStream(url, key, timeout=APPEND_TIMEOUT)
        self.patient = CaptureStream(url, key, timeout=WORK_TIMEOUT)
        self.breaker = Breaker()
        self.may_owe = True  # records may lie in the local spool, at first those of processes before this one
        self.next_forward = 0.0  # monotonic time


def _is_added(process: _Process, line: bytes, blobs: Sequence[Blob]) -> bool:
    """Whether Redis has taken the record. False: perhaps it has, but it did not say so in time."""
    try:
        process.quick.add(line, blobs)
    except Exception as error:  # whatever the client raises, the spool still takes the record
        if process.breaker.failed():
            logger.warning(
                "Redis cannot take captured calls: %s. They are kept in the local spool, and forwarded when it can.",
                _reason(error),
            )
        return False
    if process.breaker.succeeded():
        logger.warning("Redis takes captured calls again.")
    return True


def _reason(error: Exception) -> str:
    """As part of a sentence."""
    return str(error).rstrip(".") or type(error).__name__
