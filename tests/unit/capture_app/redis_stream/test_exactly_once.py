"""What is drained, sent or kept twice is stored once."""

from pathlib import Path

import pytest

from capture_app.conf import capture_settings
from capture_app.example import Example
from capture_app.inbox.base import Batch
from capture_app.inbox.redis_stream import RedisStreamInbox
from capture_app.inbox.spool import SpoolInbox
from capture_app.services import drain_captures, rotate_live_database
from tests.faults.redis_server import RedisServer
from tests.unit.capture_app.captured import example, spool, stored
from tests.unit.capture_app.redis_stream.entries import KEY


def rotate(name: str) -> None:
    sealed = capture_settings().data_dir / "sealed" / name
    sealed.parent.mkdir(exist_ok=True)
    rotate_live_database(db_path=capture_settings().live_database, sealed=sealed)


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
