"""What Redis answered for is drained from it, whoever died or was away meanwhile."""

import logging
from pathlib import Path
from typing import Any

import orjson
import pytest

from capture_app import call_llm
from capture_app.blobs import blob_path
from capture_app.inbox import redis_client, redis_stream
from capture_app.inbox.base import Batch
from capture_app.inbox.redis_client import GROUP, CaptureStream
from capture_app.inbox.redis_stream import RedisStreamInbox
from capture_app.services import drain_captures
from tests.faults.redis_server import RedisServer
from tests.unit.capture_app.captured import example, quarantined, spool, stored
from tests.unit.capture_app.redis_stream.entries import KEY, blob, inbox_of, line, lines_of, pending, waiting, with_blob


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
