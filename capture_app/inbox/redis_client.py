"""One Redis stream, and what an inbox asks of it. All that Gleaner says to Redis as an inbox stands here.

An entry has the field `line`, a record, and a field `blob:<sha256>` for the content of each blob that it refers to.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import orjson
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from capture_app.blobs import Blob
from capture_app.exceptions import CaptureConfigurationError

GROUP: Final = "gleaner"
OLDEST: Final = b"0-0"
NEW: Final = b">"

# What one read takes, and with it the memory of a drain: at most so many bytes and one entry more.
_READ_BYTES = 8 * 2**20
_READ_ENTRIES = 5000
_FORGET_AT_ONCE = 1000

_LINE = b"line"
_BLOB = b"blob:"
_NO_LIMIT = 2**31  # connections; the pool's own limit of 100 would turn away the 101st thread

# The group, made where it is missing; what others left pending, claimed; and the id of the stream's last entry.
_OPEN = """
redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
local cursor = '0-0'
repeat
  local claimed = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], cursor, 'COUNT', 1000, 'JUSTID')
  cursor = claimed[1]
until cursor == '0-0'
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
return last and last[1] or '0-0'
"""

# Entries one by one, because COUNT bounds no bytes. One that somebody deleted while it was pending is let go.
_READ = """
local found, size, start = {}, 0, ARGV[3]
while #found < tonumber(ARGV[4]) and size < tonumber(ARGV[5]) do
  local reply = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', 1, 'STREAMS', KEYS[1], start)
  local entry = reply and reply[1][2][1]
  if not entry then break end
  if start ~= '>' then start = entry[1] end
  if entry[2] then
    found[#found + 1] = entry
    for _, part in ipairs(entry[2]) do size = size + #part end
  else
    redis.call('XACK', KEYS[1], ARGV[1], entry[1])
  end
end
return found
"""

# Only what was pending is deleted: after a failover an id may belong to another entry, which nobody has read yet.
_FORGET = """
for i = 2, #ARGV do
  if redis.call('XACK', KEYS[1], ARGV[1], ARGV[i]) == 1 then redis.call('XDEL', KEYS[1], ARGV[i]) end
end
"""

# The first entry's id without its content, which XRANGE and XINFO would send along.
_MEASURE = """
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
return {redis.call('XLEN', KEYS[1]), redis.call('MEMORY', 'USAGE', KEYS[1]) or 0, first and first[1] or ''}
"""


class Entry(NamedTuple):
    """One entry as Redis has it: who wrote it is not known."""

    id: bytes  # "<milliseconds>-<number>"
    parts: Sequence[bytes]  # name, value, name, value, ...


class StreamDepth(NamedTuple):
    """What is in the stream, pending entries included."""

    entries: int
    bytes: int  # of Redis's memory
    oldest_at: datetime | None  # aware; None: it is empty


class CaptureStream:
    """The stream `key` of the Redis at `url`; every method raises redis.RedisError when that fails.

    `timeout`, in seconds, bounds each wait: for a connection, and for an answer. Nothing is tried twice. Threads may
    share an object; processes may not. Making one connects to nothing, and raises CaptureConfigurationError for a URL
    that cannot be one.
    """

    def __init__(self, url: str, key: str, *, timeout: float) -> None:
        self._key = key
        self._client = _client(url, timeout)
        self._open = self._client.register_script(_OPEN)
        self._read = self._client.register_script(_READ)
        self._forget = self._client.register_script(_FORGET)
        self._measure = self._client.register_script(_MEASURE)

    def add(self, line: bytes, blobs: Iterable[Blob]) -> None:
        """Append one entry. After an error it may stand in the stream all the same."""
        self._client.execute_command("XADD", self._key, "*", *_parts(line, blobs))

    def add_all(self, records: Iterable[tuple[bytes, Iterable[Blob]]]) -> None:
        """Append an entry for each. After an error any of them may stand in the stream."""
        pipeline = self._client.pipeline(transaction=False)
        for line, blobs in records:
            pipeline.execute_command("XADD", self._key, "*", *_parts(line, blobs))
        pipeline.execute()

    def open(self, consumer: str, *, claim_after: float) -> bytes:
        """Make the group if it is missing, and claim what others left pending for `claim_after` seconds.

        Gives the id of the last entry that the stream has now.
        """
        last: bytes = self._open(keys=[self._key], args=[GROUP, consumer, int(claim_after * 1000)])
        return last

    def read(self, consumer: str, after: bytes) -> list[Entry]:
        """The consumer's pending entries after the id `after`, or entries that nobody has read (NEW); [] at the end."""
        args = [GROUP, consumer, after, _READ_ENTRIES, _READ_BYTES]
        return [Entry(*entry) for entry in self._read(keys=[self._key], args=args)]

    def forget(self, ids: Sequence[bytes]) -> None:
        """Acknowledge and delete those of the entries that are pending."""
        for start in range(0, len(ids), _FORGET_AT_ONCE):
            self._forget(keys=[self._key], args=[GROUP, *ids[start : start + _FORGET_AT_ONCE]])

    def depth(self) -> StreamDepth:
        entries, size, first = self._measure(keys=[self._key])
        return StreamDepth(entries, size, _added_at(first) if first else None)


def _client(url: str, timeout: float) -> Any:
    try:
        return Redis.from_url(
            url,
            socket_connect_timeout=timeout,
            socket_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
            max_connections=_NO_LIMIT,
            protocol=2,  # RESP3 and the driver's name would cost a new connection an answer each
            driver_info=None,
        )
    except ValueError:  # its text is not repeated: there may be a part of a password in it
        raise CaptureConfigurationError(
            "REDIS_URL of TRAINING_CAPTURE is no URL of a Redis. Give one such as redis://host:6379/0; in a password, "
            "write characters such as / and @ as %2F and %40."
        ) from None


def order(entry_id: bytes) -> tuple[int, int]:
    """What sorts ids as the stream does."""
    milliseconds, _, number = entry_id.partition(b"-")
    return int(milliseconds), int(number)


def record_of(entry: Entry) -> tuple[bytes, list[Blob]]:
    """The record of an entry, with its newline, and its blobs.

    An entry of another shape gives a line that tells what it is and that no drain takes for a record.
    """
    fields = list(zip(entry.parts[::2], entry.parts[1::2], strict=True))
    lines = [value.strip(b"\n") for name, value in fields if name == _LINE and value.strip()]
    blobs = [
        Blob(name.removeprefix(_BLOB).decode("ascii", "replace"), "", value)
        for name, value in fields
        if name.startswith(_BLOB)
    ]
    if len(lines) != 1 or any(hashlib.sha256(blob.content).hexdigest() != blob.sha256 for blob in blobs):
        return _foreign(entry), []
    return lines[0] + b"\n", blobs


def _foreign(entry: Entry) -> bytes:
    parts = [part.decode("utf-8", "backslashreplace") for part in entry.parts]
    told = {"foreign_entry": entry.id.decode(), "fields_and_values": parts}
    return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)


def _parts(line: bytes, blobs: Iterable[Blob]) -> list[Any]:
    parts: list[Any] = [_LINE, line]
    for blob in blobs:
        parts += [_BLOB + blob.sha256.encode(), blob.content]
    return parts


def _added_at(entry_id: bytes) -> datetime | None:
    try:
        return datetime.fromtimestamp(order(entry_id)[0] / 1000, UTC)
    except (ValueError, OverflowError, OSError):  # whoever added it may have given it any id
        return None
