"""The inbox of several hosts, against a real Redis: what it answered for is stored once, whoever is away."""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.core.management import CommandError, call_command
from filelock import FileLock

from capture_app import call_llm
from capture_app.blobs import Blob, blob_path, store_blobs
from capture_app.conf import capture_settings
from capture_app.example import Example
from capture_app.exceptions import CaptureConfigurationError, InboxError
from capture_app.inbox import get_inbox, redis_client, redis_stream
from capture_app.inbox.base import Batch, ForwardingBusy, InboxDepth
from capture_app.inbox.redis_client import GROUP, CaptureStream
from capture_app.inbox.redis_stream import RedisStreamInbox
from capture_app.inbox.spool import SpoolInbox
from capture_app.services import capture_status, drain_captures, rotate_live_database
from tests.faults.redis_server import DURABLE, RedisServer
from tests.unit.capture_app.captured import example, quarantined, segments, spool, stored
from tests.unit.capture_app.processes import in_child

KEY = "gleaner:captures"
INBOX = "capture_app.inbox.redis_stream.RedisStreamInbox"
PATIENCE = 20.0  # seconds


@pytest.fixture
def server(needs: Callable[[str], str], tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(needs("redis-server"), tmp_path / "redis", *DURABLE)
    server.start()
    yield server
    server.kill()


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


def rotate(name: str) -> None:
    sealed = capture_settings().data_dir / "sealed" / name
    sealed.parent.mkdir(exist_ok=True)
    rotate_live_database(db_path=capture_settings().live_database, sealed=sealed)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- Settings ----------------------------------------------------------------------------------------------------


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


# --- Appending ---------------------------------------------------------------------------------------------------


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


def out_of_memory(server: RedisServer) -> None:
    server.client.config_set("maxmemory", 1)


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


# --- Draining ----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_calls_of_two_hosts_arrive(inbox: RedisStreamInbox, web: RedisStreamInbox, server: RedisServer) -> None:
    here = call_llm("Question", training_metadata={}).example_id or ""
    there = example()
    web.append(there.to_json_line())

    report = drain_captures()

    assert (report.rows, report.batches, report.quarantined) == (2, 1, 0)
    assert stored() == sorted([here, there.id])


@pytest.mark.django_db
def test_what_is_drained_is_gone_from_redis_and_from_the_disk(
    inbox: RedisStreamInbox, server: RedisServer, data_dir: Path
) -> None:
    spool(example(), example())
    drain_captures()

    assert (server.client.xlen(KEY), pending(server)) == (0, 0)
    assert [path.name for path in (data_dir / "redis").iterdir()] == ["consumer"]
    assert drain_captures().batches == 0


@pytest.mark.django_db
def test_blobs_are_on_the_host_that_drains(inbox: RedisStreamInbox, web: RedisStreamInbox, data_dir: Path) -> None:
    picture = blob(b"a picture")
    web.append(with_blob(picture).to_json_line(), [picture])

    assert drain_captures().rows == 1
    assert blob_path(data_dir, picture.sha256).read_bytes() == b"a picture"


def test_blobs_are_kept_before_a_batch_is_offered(
    inbox: RedisStreamInbox, web: RedisStreamInbox, data_dir: Path
) -> None:
    picture = blob(b"a picture")
    web.append(line(1), [picture])

    next(inbox.seal())

    assert blob_path(data_dir, picture.sha256).exists()


def test_an_empty_stream_has_nothing_to_seal(inbox: RedisStreamInbox) -> None:
    assert inbox.leftovers() == []
    assert list(inbox.seal()) == []


def test_a_batch_is_offered_until_it_is_acknowledged_even_without_redis(
    inbox: RedisStreamInbox, server: RedisServer, data_dir: Path
) -> None:
    inbox.append(line(1))
    sealed = list(inbox.seal())
    server.kill()

    assert inbox_of(data_dir, server).leftovers() == sealed
    assert [lines_of(batch) for batch in sealed] == [[line(1)]]
    assert sealed[0].size == sealed[0].path.stat().st_size


def test_a_batch_that_is_offered_again_is_not_fetched_again(
    inbox: RedisStreamInbox, server: RedisServer, data_dir: Path
) -> None:
    inbox.append(line(1))
    list(inbox.seal())
    inbox.append(line(2))
    again = inbox_of(data_dir, server)

    assert waiting(again) == [line(1), line(2)]
    assert server.client.xlen(KEY) == 0


def test_what_was_fetched_but_not_kept_is_fetched_again(
    inbox: RedisStreamInbox, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*arguments: object) -> Batch:
        raise KeyboardInterrupt

    inbox.append(line(1))
    with monkeypatch.context() as patch:
        patch.setattr("capture_app.inbox.batch_files.write_atomically", die)
        with pytest.raises(KeyboardInterrupt):
            list(inbox.seal())
    inbox.append(line(2))

    assert waiting(inbox) == [line(1), line(2)]
    assert server.client.xlen(KEY) == 0


def test_a_full_disk_leaves_the_entries_in_redis(
    inbox: RedisStreamInbox, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    inbox.append(line(1))
    with monkeypatch.context() as patch:
        patch.setattr("capture_app.inbox.batch_files.write_atomically", refuse)
        with pytest.raises(OSError, match="No space left"):
            list(inbox.seal())

    assert server.client.xlen(KEY) == 1
    assert waiting(inbox) == [line(1)]


def test_a_consumer_is_the_same_for_as_long_as_its_data_directory(
    inbox: RedisStreamInbox, server: RedisServer, data_dir: Path
) -> None:
    for drain in (inbox, inbox_of(data_dir, server)):
        drain.append(line(1))
        list(drain.seal())

    assert len(server.client.xinfo_consumers(KEY, GROUP)) == 1


def leave_pending(server: RedisServer, consumer: str = "gone") -> None:
    """Another host's drain fetches what there is, and is not heard of again."""
    stream = CaptureStream(server.url, KEY, timeout=5)
    stream.open(consumer, claim_after=600)
    assert stream.read(consumer, redis_client.NEW)


def test_what_another_drain_has_fetched_just_now_is_left_to_it(inbox: RedisStreamInbox, server: RedisServer) -> None:
    inbox.append(line(1))
    leave_pending(server)

    assert waiting(inbox) == []


def test_what_a_lost_host_has_fetched_is_claimed(
    inbox: RedisStreamInbox, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_stream, "CLAIM_AFTER", 0.0)
    for number in range(3):
        inbox.append(line(number))
    leave_pending(server)
    inbox.append(line(3))

    assert waiting(inbox) == [line(number) for number in range(4)]
    assert (server.client.xlen(KEY), pending(server)) == (0, 0)


def test_a_batch_is_bounded_in_bytes(
    inbox: RedisStreamInbox, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_client, "_READ_BYTES", 1000)
    record = b'{"id":"%s"}\n' % (b"x" * 390)
    for _ in range(10):
        inbox.append(record)

    assert [len(lines_of(batch)) for batch in inbox.seal()] == [3, 3, 3, 1]


def test_a_batch_is_bounded_in_entries(inbox: RedisStreamInbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_client, "_READ_ENTRIES", 4)
    for number in range(10):
        inbox.append(line(number))

    assert [len(lines_of(batch)) for batch in inbox.seal()] == [4, 4, 2]


def test_an_entry_larger_than_a_batch_is_fetched(inbox: RedisStreamInbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_client, "_READ_BYTES", 10)
    large = b'"%s"\n' % (b"x" * 2**20)
    inbox.append(large)

    assert waiting(inbox) == [large]


def test_pending_entries_are_fetched_in_bounded_batches_too(
    inbox: RedisStreamInbox, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_stream, "CLAIM_AFTER", 0.0)
    for number in range(5):
        inbox.append(line(number))
    leave_pending(server)
    monkeypatch.setattr(redis_client, "_READ_ENTRIES", 2)

    assert [len(lines_of(batch)) for batch in inbox.seal()] == [2, 2, 1]


def test_a_drain_takes_what_was_there_when_it_began(inbox: RedisStreamInbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_client, "_READ_ENTRIES", 1)
    inbox.append(line(0))
    taken = 0
    for batch in inbox.seal():
        taken += 1
        inbox.append(line(taken))
        inbox.acknowledge(batch)

    assert taken == 1


def test_an_entry_deleted_by_hand_while_it_was_pending_is_passed_over(
    inbox: RedisStreamInbox, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_client, "_READ_ENTRIES", 10)
    inbox.append(line(1))
    inbox.append(line(2))
    stream = CaptureStream(server.url, KEY, timeout=5)
    consumer = inbox._files.consumer()
    stream.open(consumer, claim_after=600)
    first, _ = stream.read(consumer, redis_client.NEW)
    server.client.xdel(KEY, first.id)

    assert waiting(inbox) == [line(2)]
    assert pending(server) == 0


def test_a_redis_that_lost_its_data_is_drained_anew(inbox: RedisStreamInbox, server: RedisServer) -> None:
    inbox.append(line(1))
    assert waiting(inbox) == [line(1)]
    server.client.flushall()
    server.client.script_flush()
    assert waiting(inbox) == []
    inbox.append(line(2))

    assert waiting(inbox) == [line(2)]


def test_an_entry_that_took_the_id_of_a_drained_one_is_not_deleted(
    inbox: RedisStreamInbox, server: RedisServer
) -> None:
    """As after a failover to a copy that lagged behind: nobody has read the new entry yet."""
    inbox.append(line(1))
    [batch] = inbox.seal()
    [(entry_id, _)] = server.client.xrange(KEY)
    server.client.flushall()
    server.client.xadd(KEY, {"line": line(2)}, id=entry_id)
    inbox.acknowledge(batch)

    assert waiting(inbox) == [line(2)]


def test_an_acknowledgement_that_redis_did_not_hear_is_made_up_for(
    inbox: RedisStreamInbox, server: RedisServer, data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.append(line(1))
    [batch] = inbox.seal()
    server.kill()
    inbox.acknowledge(batch)
    assert "Redis cannot be told what was drained" in caplog.text
    assert inbox.leftovers() == []
    server.start()
    assert server.client.xlen(KEY) == 1

    assert waiting(inbox) == []
    assert server.client.xlen(KEY) == 0


def test_what_a_killed_drain_left_half_written_is_removed(
    inbox: RedisStreamInbox, server: RedisServer, data_dir: Path
) -> None:
    inbox.append(line(1))
    [batch] = inbox.seal()
    batch.path.unlink()
    (data_dir / "redis" / ".1-stream-a.jsonl.4711.tmp").write_text("half")

    assert waiting(inbox) == [line(1)]
    assert [path.name for path in (data_dir / "redis").iterdir()] == ["consumer"]


def test_without_redis_the_local_spool_is_drained_and_the_rest_is_warned_of(
    inbox: RedisStreamInbox, server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.append(line(1))
    server.kill()
    inbox.append(line(2))
    caplog.clear()

    assert waiting(inbox) == [line(2)]
    [warning] = caplog.records
    assert warning.levelno == logging.WARNING
    assert warning.getMessage().startswith("Redis cannot be drained: ")
    server.start()
    assert waiting(inbox) == [line(1)]


def test_only_the_owner_may_read_what_was_fetched(inbox: RedisStreamInbox, data_dir: Path) -> None:
    inbox.append(line(1))
    list(inbox.seal())

    assert (data_dir / "redis").stat().st_mode & 0o777 == 0o700


# --- Entries of another shape ------------------------------------------------------------------------------------

FOREIGN: dict[str, dict[str | bytes, bytes]] = {
    "no line": {"other": b"\xff\xfe"},
    "an empty line": {"line": b" \n"},
    "a blob that is not what it says": {"line": line(1), "blob:" + "0" * 64: b"x"},
    "a blob without a hash": {"line": line(1), "blob:../../etc/passwd": b"x"},
    "a field of bytes that are no text": {b"\xff": b"x"},
}


@pytest.mark.django_db
@pytest.mark.parametrize("fields", FOREIGN.values(), ids=FOREIGN.keys())
def test_an_entry_of_another_shape_is_kept_apart(
    inbox: RedisStreamInbox, server: RedisServer, fields: dict[Any, Any]
) -> None:
    spool(example())
    server.client.xadd(KEY, fields)
    spool(example())

    report = drain_captures()

    assert (report.rows, report.quarantined) == (2, 1)
    assert server.client.xlen(KEY) == 0
    kept = orjson.loads(quarantined()[0]["text"])
    assert kept["foreign_entry"]
    assert len(kept["fields_and_values"]) == 2 * len(fields)


@pytest.mark.django_db
@pytest.mark.parametrize("bad", [b"torn", b"[1]\n", b'{"task": "shop"}', b"\0"])
def test_a_bad_record_in_the_stream_is_kept_apart(inbox: RedisStreamInbox, server: RedisServer, bad: bytes) -> None:
    spool(example(), bad, example())

    report = drain_captures()

    assert (report.rows, report.quarantined) == (2, 1)


def test_fields_to_come_are_passed_over(inbox: RedisStreamInbox, server: RedisServer) -> None:
    server.client.xadd(KEY, {"line": line(1), "later": "x"})

    assert waiting(inbox) == [line(1)]


# --- Exactly once ------------------------------------------------------------------------------------------------


def forget_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the next drain die after its commit, before it forgets the batch."""

    def die(inbox: RedisStreamInbox, *batches: Batch) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RedisStreamInbox, "acknowledge", die)


@pytest.fixture
def died_after_commit(inbox: RedisStreamInbox, monkeypatch: pytest.MonkeyPatch) -> Example:
    """An example that a drain has stored, and not acknowledged."""
    only = example()
    spool(only)
    with monkeypatch.context() as patch:
        forget_nothing(patch)
        with pytest.raises(KeyboardInterrupt):
            drain_captures()
    return only


@pytest.mark.django_db
def test_a_drain_that_died_after_its_commit_is_finished_by_the_next(
    died_after_commit: Example, server: RedisServer
) -> None:
    assert drain_captures().rows == 0
    assert stored() == [died_after_commit.id]
    assert server.client.xlen(KEY) == 0


@pytest.mark.django_db
@pytest.mark.parametrize("redis_is_away", [False, True], ids=["with redis", "without redis"])
def test_a_drain_that_died_after_its_commit_is_finished_by_a_rotation(
    died_after_commit: Example, server: RedisServer, redis_is_away: bool
) -> None:
    if redis_is_away:
        server.kill()
    rotate("first.duckdb")
    if redis_is_away:
        server.start()

    assert drain_captures().rows == 0
    assert stored() == []
    assert server.client.xlen(KEY) == 0


@pytest.mark.django_db
def test_an_entry_that_comes_again_after_its_database_was_rotated_is_stored_once(
    inbox: RedisStreamInbox, server: RedisServer
) -> None:
    """As after a timeout, a failover, or a Redis that lost its last second."""
    once, again = example(), example()
    spool(once, again)
    drain_captures()
    rotate("first.duckdb")
    spool(again, example(id="new"))

    assert drain_captures().rows == 1
    assert stored() == ["new"]
    assert server.client.xlen(KEY) == 0


@pytest.mark.django_db
def test_a_record_in_the_stream_and_in_the_spool_is_stored_once(inbox: RedisStreamInbox, data_dir: Path) -> None:
    record = example()
    spool(record)
    SpoolInbox(data_dir / "spool").append(record.to_json_line())

    assert drain_captures().rows == 1
    assert drain_captures().rows == 0
    assert stored() == [record.id]


# --- Forwarding --------------------------------------------------------------------------------------------------


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

    wait_until(lambda: server.client.xlen(KEY) == 2)
    wait_until(lambda: spooled(tmp_path / "web") == [])


def test_the_first_record_of_a_process_has_those_of_dead_ones_forwarded(
    after_outage: RedisStreamInbox, server: RedisServer, tmp_path: Path
) -> None:
    successor = inbox_of(tmp_path / "web", server)
    successor.append(line(2))

    wait_until(lambda: server.client.xlen(KEY) == 2)
    wait_until(lambda: spooled(tmp_path / "web") == [])


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


# --- The command -------------------------------------------------------------------------------------------------


def output(*arguments: str) -> str:
    out = StringIO()
    call_command("forward_captures", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def kept_here(inbox: RedisStreamInbox, server: RedisServer) -> None:
    """Two records in this host's spool; Redis is back."""
    server.kill()
    spool(example(), example())
    server.start()


@pytest.mark.django_db
def test_the_command_says_what_it_forwarded(kept_here: None, server: RedisServer) -> None:
    assert output().startswith("Forwarded 2 records in ")
    assert server.client.xlen(KEY) == 2


@pytest.mark.django_db
def test_the_command_says_when_there_was_nothing(inbox: RedisStreamInbox) -> None:
    assert output() == "The local spool is empty: nothing to forward.\n"


@pytest.mark.django_db
def test_json_is_one_object(kept_here: None) -> None:
    result = orjson.loads(output("--json"))

    assert result.pop("seconds") >= 0
    assert result == {"records": 2, "segments": 1}


@pytest.mark.django_db
def test_the_command_fails_while_redis_is_away(kept_here: None, server: RedisServer) -> None:
    server.kill()

    with pytest.raises(CommandError, match="Redis could not take the records") as error:
        output()
    assert error.value.returncode == 1


@pytest.mark.django_db
def test_the_command_says_that_another_is_at_work(kept_here: None, data_dir: Path) -> None:
    with (
        FileLock(data_dir / "spool" / ".forward.lock"),
        pytest.raises(CommandError, match="Another process is forwarding") as error,
    ):
        output()
    assert error.value.returncode == 75


@pytest.mark.django_db
def test_a_host_that_only_spools_has_nothing_to_forward_to() -> None:
    with pytest.raises(CommandError, match="SpoolInbox forwards nothing") as error:
        output()
    assert error.value.returncode == 1


# --- Depth -------------------------------------------------------------------------------------------------------


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


def test_blobs_that_are_here_already_are_forwarded_by_their_content(
    inbox: RedisStreamInbox, server: RedisServer, data_dir: Path
) -> None:
    picture = blob(b"a picture")
    store_blobs(data_dir, [picture])
    SpoolInbox(data_dir / "spool").append(with_blob(picture).to_json_line())
    inbox.forward()

    assert entries(server)[0][f"blob:{picture.sha256}".encode()] == b"a picture"
