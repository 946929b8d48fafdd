"""How much waits, in the stream and in the spool, is known even while Redis is away."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from capture_app.inbox.base import InboxDepth
from capture_app.inbox.redis_stream import RedisStreamInbox
from capture_app.inbox.spool import SpoolInbox
from capture_app.services import capture_status
from tests.faults.redis_server import RedisServer
from tests.unit.capture_app.redis_stream.entries import KEY, line


def test_an_empty_inbox_has_no_depth(inbox: RedisStreamInbox) -> None:
    assert (inbox.depth(), inbox.count_rows()) == (InboxDepth(0, None), 0)


def test_depth_is_that_of_stream_and_spool(inbox: RedisStreamInbox, data_dir: Path) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    inbox.append(b'"%s"\n' % (b"x" * 5000))
    SpoolInbox(data_dir / "spool").append(b'"%s"\n' % (b"x" * 5000))

    depth = inbox.depth()

    assert inbox.count_rows() == 2
    assert 10_000 < depth.bytes < 20_000
    assert depth.oldest_at is not None
    assert before < depth.oldest_at < datetime.now(UTC)


def test_what_a_drain_has_taken_still_waits(inbox: RedisStreamInbox, data_dir: Path) -> None:
    inbox.append(line(1))
    SpoolInbox(data_dir / "spool").append(line(2))
    list(inbox.seal())

    assert inbox.count_rows() == 2


@pytest.mark.django_db
def test_the_status_can_be_read_while_redis_is_away(
    inbox: RedisStreamInbox, server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.kill()
    inbox.append(line(1))

    assert capture_status().inbox_rows == 1
    assert "Redis cannot say what waits there" in caplog.text


def test_an_entry_with_an_impossible_time_does_not_break_the_status(
    inbox: RedisStreamInbox, server: RedisServer
) -> None:
    server.client.xadd(KEY, {"line": line(1)}, id=f"{2**63}-0")

    assert inbox.depth().oldest_at is None
    assert inbox.count_rows() == 1
