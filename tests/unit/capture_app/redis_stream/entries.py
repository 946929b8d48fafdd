"""Writing to the stream and to a host's spool, and looking at what is in them."""

import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from capture_app.blobs import Blob
from capture_app.example import Example
from capture_app.inbox.base import Batch
from capture_app.inbox.redis_client import GROUP
from capture_app.inbox.redis_stream import RedisStreamInbox
from capture_app.inbox.spool import SpoolInbox
from tests.faults.redis_server import RedisServer
from tests.unit.capture_app.captured import example

KEY = "gleaner:captures"
INBOX = "capture_app.inbox.redis_stream.RedisStreamInbox"
PATIENCE = 20.0  # seconds


def inbox_of(data_dir: Path, server: RedisServer) -> RedisStreamInbox:
    return RedisStreamInbox(server.url, KEY, data_dir, SpoolInbox(data_dir / "spool"))


def line(number: int) -> bytes:
    return b'{"id":"%d"}\n' % number


def blob(content: bytes) -> Blob:
    return Blob(sha256(content).hexdigest(), "image/png", content)


def with_blob(kept: Blob) -> Example:
    return example(metadata={"gleaner": {"messages": [kept.reference]}})


def entries(server: RedisServer) -> list[dict[bytes, bytes]]:
    return [fields for _, fields in server.client.xrange(KEY)]


def waiting(inbox: RedisStreamInbox) -> list[bytes]:
    """What a drain is offered, acknowledged at once."""
    found: list[bytes] = []
    for batch in [*inbox.leftovers(), *inbox.seal()]:
        found += lines_of(batch)
        inbox.acknowledge(batch)
    return found


def lines_of(batch: Batch) -> list[bytes]:
    return [row for row in batch.path.read_bytes().splitlines(keepends=True) if row.strip()]


def spooled(data_dir: Path) -> list[bytes]:
    paths = sorted((data_dir / "spool").glob("*.jsonl"))
    return [row for path in paths for row in path.read_bytes().splitlines(keepends=True) if row.strip()]


def pending(server: RedisServer) -> int:
    return int(server.client.xpending(KEY, GROUP)["pending"])


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def out_of_memory(server: RedisServer) -> None:
    server.client.config_set("maxmemory", 1)
