"""A Redis of each test's own, the inbox of the host that drains, and that of another host."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from capture_app.inbox import get_inbox, redis_stream
from capture_app.inbox.redis_stream import RedisStreamInbox
from tests.faults.redis_server import RedisServer, durable_redis
from tests.unit.capture_app.redis_stream.entries import INBOX, inbox_of


@pytest.fixture
def server(needs: Callable[[str], str], tmp_path: Path) -> Iterator[RedisServer]:
    with durable_redis(needs("redis-server"), tmp_path / "redis") as server:
        yield server


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failure the next call tries Redis again, and the next success forwards again."""
    monkeypatch.setattr("capture_app.inbox.breaker.FIRST_WAIT", 0.001)
    monkeypatch.setattr("capture_app.inbox.breaker.LONGEST_WAIT", 0.001)
    monkeypatch.setattr(redis_stream, "_FORWARD_INTERVAL", 0.0)


@pytest.fixture
def inbox(server: RedisServer, capture: Callable[..., None]) -> RedisStreamInbox:
    """The configured inbox, on the host that drains."""
    capture(INBOX=INBOX, REDIS_URL=server.url)
    inbox = get_inbox()
    assert isinstance(inbox, RedisStreamInbox)
    return inbox


@pytest.fixture
def web(server: RedisServer, tmp_path: Path) -> RedisStreamInbox:
    """The inbox of another host, which has a folder of its own."""
    return inbox_of(tmp_path / "web", server)
