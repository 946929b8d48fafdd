"""The verbs of capture_app; draining has a module of its own."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from capture_app.conf import capture_settings
from capture_app.inbox.base import InboxDepth
from capture_app.inbox.spool import SpoolInbox
from capture_app.services import capture_status, drain_captures, rotate_live_database
from tests.unit.capture_app.captured import example, segments, spool, stored

pytestmark = pytest.mark.django_db


def rotate(sealed: Path) -> float | None:
    return rotate_live_database(db_path=capture_settings().live_database, sealed=sealed)


def ids_in(path: Path) -> list[str]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM examples ORDER BY id").fetchall()]


def test_at_first_nothing_waits() -> None:
    status = capture_status()

    assert (status.live_rows, status.inbox, status.quarantined) == (0, InboxDepth(0, None), 0)


def test_the_status_counts_what_waits_where() -> None:
    spool(example(), b"torn\n")
    drain_captures()
    later = example()
    spool(later)

    status = capture_status()

    assert status.live_rows == 1
    assert (status.inbox_rows, status.inbox.bytes) == (1, len(later.to_json_line()))
    assert status.inbox.oldest_at is not None
    assert datetime.now(UTC) - status.inbox.oldest_at < timedelta(minutes=1)
    assert (status.quarantined, status.withheld) == (1, 0)
    assert status.live_bytes == capture_settings().live_database.stat().st_size


def test_asking_for_the_status_makes_no_database() -> None:
    capture_status()

    assert not capture_settings().live_database.exists()


def test_a_database_without_rows_is_not_rotated(data_dir: Path) -> None:
    drain_captures()

    assert rotate(data_dir / "sealed.duckdb") is None
    assert not (data_dir / "sealed.duckdb").exists()


def test_a_rotated_database_has_what_was_drained(data_dir: Path) -> None:
    spool(example(id="a"), example(id="b"))
    drain_captures()

    assert rotate(data_dir / "sealed.duckdb") is not None
    assert ids_in(data_dir / "sealed.duckdb") == ["a", "b"]
    assert stored() == []


def test_what_is_captured_later_goes_into_the_fresh_database(data_dir: Path) -> None:
    spool(example(id="a"))
    drain_captures()
    rotate(data_dir / "sealed.duckdb")
    spool(example(id="b"))

    drain_captures()

    assert (ids_in(data_dir / "sealed.duckdb"), stored()) == (["a"], ["b"])


def test_a_drain_that_died_after_its_commit_is_finished_before_the_rename(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(inbox: SpoolInbox, batch: object) -> None:
        raise KeyboardInterrupt

    spool(example(id="a"))
    with monkeypatch.context() as patch:
        patch.setattr(SpoolInbox, "acknowledge", die)
        with pytest.raises(KeyboardInterrupt):
            drain_captures()

    rotate(data_dir / "sealed.duckdb")
    drain_captures()

    assert (ids_in(data_dir / "sealed.duckdb"), stored()) == (["a"], [])
    assert segments() == []


def test_rotation_seals_no_segment_of_its_own(data_dir: Path) -> None:
    spool(example(id="a"))
    drain_captures()
    spool(example(id="b"))

    rotate(data_dir / "sealed.duckdb")

    assert ids_in(data_dir / "sealed.duckdb") == ["a"]
    assert len(segments()) == 1
