"""Records that may be stored already: they come into the spool as whole segments."""

import errno
import os
from pathlib import Path

import pytest

from capture_app.exceptions import InboxError
from capture_app.inbox.spool import SpoolInbox
from tests.unit.capture_app.spools import files, kept, line, rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "spool"


@pytest.fixture
def inbox(folder: Path) -> SpoolInbox:
    return SpoolInbox(folder)


def test_what_is_taken_in_lies_in_sealed_segments_that_may_repeat(folder: Path) -> None:
    inbox = SpoolInbox(folder, segment_bytes=3 * len(line(1)))

    assert inbox.take_in(line(number) for number in range(8)) == 8

    batches = inbox.leftovers()
    assert [len(rows(batch.path)) for batch in batches] == [3, 3, 2]
    assert all(batch.may_repeat and batch.name.endswith(".again") for batch in batches)
    assert kept(folder) == [line(number) for number in range(8)]


def test_what_was_appended_does_not_repeat(inbox: SpoolInbox) -> None:
    inbox.append(line(1))
    inbox.take_in([line(2)])

    assert sorted(batch.may_repeat for batch in [*inbox.seal(), *inbox.leftovers()]) == [False, False, True]


def test_a_batch_that_may_repeat_still_may_when_it_is_taken(inbox: SpoolInbox) -> None:
    inbox.take_in([line(1)])
    [batch] = inbox.sealed()

    taken = inbox.take(batch)

    assert taken is not None
    assert taken.may_repeat
    assert [found.may_repeat for found in inbox.leftovers()] == [True]


def test_taking_in_nothing_leaves_no_segment(inbox: SpoolInbox, folder: Path) -> None:
    assert inbox.take_in([]) == 0
    assert files(folder) == []


def test_what_counts_as_waiting_includes_what_was_taken_in(inbox: SpoolInbox) -> None:
    inbox.take_in([line(1), line(2)])

    assert (inbox.count_rows(), inbox.depth().bytes) == (2, 2 * len(line(1)))
    assert inbox.depth().oldest_at is not None


def test_a_segment_that_cannot_be_written_leaves_nothing_half(
    inbox: SpoolInbox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(InboxError, match=r"No space left on device\. 0 of them are kept"):
        inbox.take_in([line(1)])

    assert [*folder.iterdir()] == []


def test_what_a_killed_process_left_unfinished_is_removed_after_an_hour(inbox: SpoolInbox, folder: Path) -> None:
    inbox.take_in([line(1)])
    old, new = (folder / f".{name}.again.sealed.jsonl.1.tmp" for name in ("old", "new"))
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))

    inbox.take_in([line(2)])

    assert (old.exists(), new.exists()) == (False, True)
    assert inbox.count_rows() == 2
