"""What a host kept while Redis was away is forwarded to the stream."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from capture_app.blobs import blob_path, store_blobs
from capture_app.exceptions import InboxError
from capture_app.inbox.base import Batch, ForwardingBusy
from capture_app.inbox.redis_client import CaptureStream
from capture_app.inbox.redis_stream import RedisStreamInbox
from capture_app.inbox.spool import SpoolInbox
from capture_app.services import drain_captures
from tests.faults.redis_server import RedisServer
from tests.unit.capture_app.redis_stream.entries import (
    KEY,
    blob,
    entries,
    inbox_of,
    line,
    out_of_memory,
    spooled,
    wait_until,
    waiting,
    with_blob,
)


@pytest.fixture
def after_outage(web: RedisStreamInbox, server: RedisServer, tmp_path: Path) -> RedisStreamInbox:
    """The inbox of a host that kept a record for itself while Redis was away; it is back now."""
    server.kill()
    web.append(line(1))
    server.start()
    assert spooled(tmp_path / "web") == [line(1)]
    return web


def test_forwarding_brings_the_spool_into_the_stream(
    after_outage: RedisStreamInbox, server: RedisServer, tmp_path: Path
) -> None:
    report = after_outage.forward()

    assert (report.records, report.segments) == (1, 1)
    assert entries(server) == [{b"line": line(1)}]
    assert spooled(tmp_path / "web") == []


@pytest.mark.django_db
def test_blobs_are_forwarded_to_the_host_that_drains(
    inbox: RedisStreamInbox, web: RedisStreamInbox, server: RedisServer, data_dir: Path
) -> None:
    picture = blob(b"a picture")
    server.kill()
    for _ in range(2):
        web.append(with_blob(picture).to_json_line(), [picture])
    server.start()
    web.forward()

    assert [len(fields) for fields in entries(server)] == [2, 1]  # once a segment
    assert drain_captures().rows == 2
    assert blob_path(data_dir, picture.sha256).read_bytes() == b"a picture"


def test_a_blob_that_was_not_kept_holds_nothing_up(web: RedisStreamInbox, server: RedisServer, tmp_path: Path) -> None:
    server.kill()
    web.append(with_blob(blob(b"too large")).to_json_line())
    server.start()

    assert web.forward().records == 1


def test_torn_lines_are_forwarded_as_they_are(web: RedisStreamInbox, server: RedisServer) -> None:
    server.kill()
    web.append(line(1))
    web.append(b'{"id": "to')
    server.start()
    web.forward()

    assert [fields[b"line"].rstrip() for fields in entries(server)] == [line(1).rstrip(), b'{"id": "to']


def test_many_records_are_forwarded_in_groups(
    web: RedisStreamInbox, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups: list[int] = []
    add_all = CaptureStream.add_all

    def counted(stream: CaptureStream, records: Any) -> None:
        groups.append(len(records))
        add_all(stream, records)

    monkeypatch.setattr(CaptureStream, "add_all", counted)
    server.kill()
    for number in range(1100):
        web.append(line(number))
    web.append(b'"%s"\n' % (b"x" * 2**20))
    web.append(line(1100))
    server.start()

    assert web.forward().records == 1102
    assert groups == [500, 500, 101, 1]
    assert len(entries(server)) == 1102


def test_an_empty_spool_needs_no_redis_to_be_forwarded(web: RedisStreamInbox, server: RedisServer) -> None:
    server.kill()

    assert web.forward().records == 0


@pytest.mark.parametrize("refuse", [RedisServer.kill, out_of_memory])
def test_what_redis_does_not_take_stays_in_the_spool(
    after_outage: RedisStreamInbox, server: RedisServer, tmp_path: Path, refuse: Callable[[RedisServer], None]
) -> None:
    refuse(server)

    with pytest.raises(InboxError, match="is safe where it is"):
        after_outage.forward()
    assert spooled(tmp_path / "web") == [line(1)]


def test_a_forwarding_that_was_interrupted_is_done_again(
    after_outage: RedisStreamInbox, server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(spool: SpoolInbox, batch: Batch) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SpoolInbox, "acknowledge", die)
        with pytest.raises(KeyboardInterrupt):
            after_outage.forward()
    after_outage.forward()

    assert [fields[b"line"] for fields in entries(server)] == [line(1), line(1)]  # which the drain bears
    assert spooled(tmp_path / "web") == []


def test_one_process_of_a_host_forwards(after_outage: RedisStreamInbox, tmp_path: Path) -> None:
    with FileLock(tmp_path / "web" / "spool" / ".forward.lock"), pytest.raises(ForwardingBusy):
        after_outage.forward()

    assert after_outage.forward().records == 1


def test_the_first_record_that_redis_takes_again_has_the_others_forwarded(
    after_outage: RedisStreamInbox, server: RedisServer, tmp_path: Path
) -> None:
    time.sleep(0.01)
    after_outage.append(line(2))

    wait_until(lambda: server.client.xlen(KEY) == 2 and spooled(tmp_path / "web") == [])


def test_the_first_record_of_a_process_has_those_of_dead_ones_forwarded(
    after_outage: RedisStreamInbox, server: RedisServer, tmp_path: Path
) -> None:
    successor = inbox_of(tmp_path / "web", server)
    successor.append(line(2))

    wait_until(lambda: server.client.xlen(KEY) == 2 and spooled(tmp_path / "web") == [])


def test_forwarding_that_was_refused_is_tried_again(
    after_outage: RedisStreamInbox, server: RedisServer, tmp_path: Path
) -> None:
    with FileLock(tmp_path / "web" / "spool" / ".forward.lock"):
        for number in range(2, 5):
            time.sleep(0.01)
            after_outage.append(line(number))
        assert server.client.xlen(KEY) == 3

    def forwarded() -> bool:
        after_outage.append(line(9))
        return spooled(tmp_path / "web") == []

    wait_until(forwarded)


def test_forwarding_that_fails_in_the_background_is_a_warning(
    after_outage: RedisStreamInbox,
    server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("capture_app.inbox.forwarder.Forwarder.forward_all", fail)
    time.sleep(0.01)
    after_outage.append(line(2))

    wait_until(lambda: "could not be forwarded" in caplog.text)
    assert server.client.xlen(KEY) == 1


def test_a_drain_and_a_forwarding_of_one_host_lose_nothing_between_them(
    inbox: RedisStreamInbox, server: RedisServer, data_dir: Path
) -> None:
    """They take segments from each other; what both took comes twice, which the drain bears."""
    local = SpoolInbox(data_dir / "spool", segment_bytes=200)
    written = [line(number) for number in range(2000)]
    taken: list[bytes] = []
    done = threading.Event()

    def forward() -> None:
        while not done.is_set():
            with suppress(ForwardingBusy):
                inbox.forward()

    forwarder = threading.Thread(target=forward)
    forwarder.start()
    for number, record in enumerate(written):
        local.append(record)
        if number % 50 == 0:
            taken += waiting(inbox)
    done.set()
    forwarder.join()
    taken += waiting(inbox)

    assert set(taken) == set(written)
    assert spooled(data_dir) == []


def test_blobs_that_are_here_already_are_forwarded_by_their_content(
    inbox: RedisStreamInbox, server: RedisServer, data_dir: Path
) -> None:
    picture = blob(b"a picture")
    store_blobs(data_dir, [picture])
    SpoolInbox(data_dir / "spool").append(with_blob(picture).to_json_line())
    inbox.forward()

    assert entries(server)[0][f"blob:{picture.sha256}".encode()] == b"a picture"
