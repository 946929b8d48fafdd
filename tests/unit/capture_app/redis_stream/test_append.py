"""The inbox of several hosts takes every record: into Redis, or into the local spool while Redis is away."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from capture_app.exceptions import CaptureConfigurationError, InboxError
from capture_app.inbox import get_inbox
from capture_app.inbox.redis_stream import RedisStreamInbox
from tests.faults.redis_server import RedisServer
from tests.unit.capture_app.captured import segments
from tests.unit.capture_app.processes import in_child
from tests.unit.capture_app.redis_stream.entries import INBOX, KEY, blob, entries, line, out_of_memory, spooled


def test_without_a_url_it_says_what_to_set(capture: Callable[..., None]) -> None:
    capture(INBOX=INBOX)

    with pytest.raises(CaptureConfigurationError, match="needs REDIS_URL"):
        get_inbox()


@pytest.mark.parametrize("url", ["localhost:6379", "redis://:se/cret@host:6379/0", "http://secret@host"])
def test_a_url_that_is_none_is_not_repeated(capture: Callable[..., None], url: str) -> None:
    capture(INBOX=INBOX, REDIS_URL=url)

    with pytest.raises(CaptureConfigurationError, match="no URL of a Redis") as error:
        get_inbox()
    assert "cret" not in str(error.value)


def test_the_settings_name_the_stream(server: RedisServer, capture: Callable[..., None]) -> None:
    capture(INBOX=INBOX, REDIS_URL=server.url, REDIS_STREAM="other")
    get_inbox().append(line(1))

    assert server.client.xlen("other") == 1


def test_who_spools_does_not_load_redis() -> None:
    code = (
        "import django, sys; django.setup()\n"
        "from capture_app.inbox import get_inbox; get_inbox()\n"
        "import capture_app.services\n"
        "sys.exit('redis' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_record_becomes_an_entry_byte_for_byte(inbox: RedisStreamInbox, server: RedisServer, data_dir: Path) -> None:
    inbox.append(line(1))

    assert entries(server) == [{b"line": line(1)}]
    assert not (data_dir / "spool").exists()


def test_blobs_travel_with_their_record(inbox: RedisStreamInbox, server: RedisServer) -> None:
    picture = blob(b"\x89PNG\r\n")
    inbox.append(line(1), [picture])

    assert entries(server) == [{b"line": line(1), f"blob:{picture.sha256}".encode(): b"\x89PNG\r\n"}]


def test_many_threads_append(inbox: RedisStreamInbox, server: RedisServer) -> None:
    def write(first: int) -> None:
        for number in range(first, first + 50):
            inbox.append(line(number))

    threads = [threading.Thread(target=write, args=(first,)) for first in range(0, 1000, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(fields[b"line"] for fields in entries(server)) == sorted(line(number) for number in range(1000))


def test_forked_children_have_connections_of_their_own(inbox: RedisStreamInbox, server: RedisServer) -> None:
    inbox.append(line(0))

    def write(first: int) -> None:
        for number in range(first, first + 20):
            inbox.append(line(number))

    for first in (1, 21, 41):
        in_child(partial(write, first))
        inbox.append(line(100 + first))

    expected = [*range(61), 101, 121, 141]
    assert sorted(fields[b"line"] for fields in entries(server)) == sorted(map(line, expected))


def test_redis_away_means_the_local_spool_at_once(inbox: RedisStreamInbox, server: RedisServer, data_dir: Path) -> None:
    inbox.append(line(1))
    server.kill()
    inbox.append(line(2))

    assert spooled(data_dir) == [line(2)]


def test_a_redis_that_was_never_there_costs_no_record(
    inbox: RedisStreamInbox, server: RedisServer, data_dir: Path
) -> None:
    server.kill()
    inbox.append(line(1))

    assert spooled(data_dir) == [line(1)]


def read_only(server: RedisServer) -> None:
    server.client.config_set("min-replicas-to-write", 1)


def another_type(server: RedisServer) -> None:
    server.client.set(KEY, "somebody else's")


def with_a_password(server: RedisServer) -> None:
    server.client.config_set("requirepass", "secret")


@pytest.mark.parametrize("refuse", [out_of_memory, read_only, another_type, with_a_password])
def test_a_redis_that_refuses_means_the_local_spool(
    inbox: RedisStreamInbox, server: RedisServer, data_dir: Path, refuse: Callable[[RedisServer], None]
) -> None:
    refuse(server)
    inbox.append(line(1))

    assert spooled(data_dir) == [line(1)]


def test_an_outage_is_logged_when_it_begins_and_when_it_ends(
    inbox: RedisStreamInbox, server: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "_forward_soon", lambda process: None)
    server.kill()
    for number in range(3):
        inbox.append(line(number))
        time.sleep(0.005)
    server.start()
    inbox.append(line(3))

    begin, end = [record.getMessage() for record in caplog.records]
    assert begin.startswith("Redis cannot take captured calls: ")
    assert "kept in the local spool" in begin
    assert end == "Redis takes captured calls again."


def test_when_the_spool_cannot_take_it_either_the_caller_hears_of_it(
    inbox: RedisStreamInbox, server: RedisServer, broken_spool: Path
) -> None:
    server.kill()

    with pytest.raises(InboxError, match="could not be written"):
        inbox.append(line(1))


def test_a_record_in_the_spool_is_as_safe_as_the_setting_says(
    server: RedisServer, capture: Callable[..., None]
) -> None:
    capture(INBOX=INBOX, REDIS_URL=server.url, FSYNC=True, SEGMENT_BYTES=1)
    server.kill()
    for number in range(2):
        get_inbox().append(line(number))

    assert len(segments()) == 2
