"""The spool: no record is lost, none is half-written, and nobody waits for anybody."""

import errno
import fcntl
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from capture_app.exceptions import InboxError
from capture_app.inbox import get_inbox
from capture_app.inbox.base import InboxDepth
from capture_app.inbox.spool import SpoolInbox
from tests.unit.capture_app.processes import in_child
from tests.unit.capture_app.spools import files, kept, line, rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "spool"


@pytest.fixture
def inbox(folder: Path) -> SpoolInbox:
    return SpoolInbox(folder)


# --- Appending ---------------------------------------------------------------------------------------------------


def test_nothing_is_made_before_the_first_record(inbox: SpoolInbox, folder: Path) -> None:
    assert inbox.depth() == InboxDepth(0, None)
    assert not folder.exists()


def test_a_record_is_kept_byte_for_byte(inbox: SpoolInbox, folder: Path) -> None:
    inbox.append(line(1))

    assert [path.read_bytes() for path in files(folder, "open")] == [line(1)]


def test_records_of_one_thread_share_a_segment(inbox: SpoolInbox, folder: Path) -> None:
    for number in range(3):
        inbox.append(line(number))

    assert [path.read_bytes() for path in files(folder)] == [line(0) + line(1) + line(2)]


def test_only_the_owner_may_read_what_was_captured(inbox: SpoolInbox, folder: Path) -> None:
    inbox.append(line(1))

    assert folder.stat().st_mode & 0o777 == 0o700
    assert files(folder)[0].stat().st_mode & 0o777 == 0o600


def test_a_full_segment_is_replaced(folder: Path) -> None:
    inbox = SpoolInbox(folder, segment_bytes=2 * len(line(0)))
    for number in range(5):
        inbox.append(line(number))

    assert [path.read_bytes().count(b"\n") for path in files(folder)] == [2, 2, 1]


def test_a_record_larger_than_a_segment_is_kept_whole(folder: Path) -> None:
    inbox = SpoolInbox(folder, segment_bytes=10)
    large = b'"%s"\n' % (b"x" * 1_000_000)
    inbox.append(large)

    assert kept(folder) == [large]


@pytest.mark.timeout(5)
def test_a_segment_size_of_nothing_takes_a_record_each(folder: Path) -> None:
    inbox = SpoolInbox(folder, segment_bytes=0)
    for number in range(3):
        inbox.append(line(number))

    assert [path.read_bytes() for path in files(folder)] == [line(0), line(1), line(2)]


def test_the_settings_name_the_folder_and_the_size(capture: Callable[..., None], data_dir: Path) -> None:
    capture(SEGMENT_BYTES=1)
    for number in range(3):
        get_inbox().append(line(number))

    assert len(files(data_dir / "spool", "open")) == 3


def test_two_threads_write_whole_lines_into_a_segment_each(inbox: SpoolInbox, folder: Path) -> None:
    barrier = threading.Barrier(2)

    def write(first: int) -> None:
        barrier.wait()
        for number in range(first, first + 300):
            inbox.append(line(number))

    threads = [threading.Thread(target=write, args=(first,)) for first in (0, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert kept(folder) == sorted(line(number) for number in range(600))
    assert len(files(folder)) <= 2


def test_a_forked_child_writes_into_a_segment_of_its_own(inbox: SpoolInbox, folder: Path) -> None:
    inbox.append(line(1))
    in_child(lambda: inbox.append(line(2)))
    inbox.append(line(3))

    assert sorted(path.read_bytes() for path in files(folder, "open")) == [line(1) + line(3), line(2)]


def test_a_record_survives_the_death_of_its_process(inbox: SpoolInbox, folder: Path) -> None:
    in_child(lambda: inbox.append(line(1)))

    assert kept(folder) == [line(1)]


@pytest.fixture
def after_a_second(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let the clock by which writers look after their files go on."""

    def wait() -> None:
        later = time.monotonic() + 1.1
        monkeypatch.setattr(time, "monotonic", lambda: later)

    return wait


def test_a_folder_that_was_deleted_is_made_again_within_a_second(
    inbox: SpoolInbox, folder: Path, after_a_second: Callable[[], None]
) -> None:
    inbox.append(line(1))
    files(folder)[0].unlink()
    folder.rmdir()
    after_a_second()

    inbox.append(line(2))

    assert kept(folder) == [line(2)]


def test_a_folder_that_was_renamed_is_made_again_within_a_second(
    inbox: SpoolInbox, folder: Path, after_a_second: Callable[[], None]
) -> None:
    inbox.append(line(1))
    renamed = folder.rename(folder.with_name("renamed"))
    after_a_second()

    inbox.append(line(2))

    assert (kept(renamed), kept(folder)) == ([line(1)], [line(2)])


def test_a_folder_that_cannot_be_made_is_an_inbox_error(inbox: SpoolInbox, folder: Path) -> None:
    folder.parent.touch()

    with pytest.raises(InboxError, match="free space or mend the folder") as raised:
        inbox.append(line(1))

    assert isinstance(raised.value.__cause__, NotADirectoryError)


# --- A disk that is full -----------------------------------------------------------------------------------------


@pytest.fixture
def disk_takes(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Have writes fail with ENOSPC after so many more bytes, the last write before being short."""
    write = os.write

    def limit(left: int) -> None:
        def limited(descriptor: int, data: bytes) -> int:
            nonlocal left
            if not left:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written = write(descriptor, data[:left])
            left -= written
            return written

        monkeypatch.setattr(os, "write", limited)

    return limit


@pytest.mark.parametrize("left", [0, 1, len(line(2)) - 1])
def test_a_record_that_does_not_fit_leaves_nothing_half_written(
    inbox: SpoolInbox, folder: Path, disk_takes: Callable[[int], None], left: int
) -> None:
    inbox.append(line(1))
    disk_takes(left)

    with pytest.raises(InboxError, match="No space left on device"):
        inbox.append(line(2))

    assert kept(folder) == [line(1)]


def test_the_next_record_is_kept_once_there_is_space(
    inbox: SpoolInbox, folder: Path, disk_takes: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk_takes(5)
    with pytest.raises(InboxError):
        inbox.append(line(1))
    monkeypatch.undo()

    inbox.append(line(2))

    assert kept(folder) == [line(2)]


def test_a_segment_is_not_locked_after_a_failed_write(
    inbox: SpoolInbox, folder: Path, disk_takes: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox.append(line(1))
    disk_takes(5)
    with pytest.raises(InboxError):
        inbox.append(line(2))
    monkeypatch.undo()

    assert [rows(batch.path) for batch in inbox.seal()] == [[line(1)]]


def test_a_short_write_is_finished(inbox: SpoolInbox, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))

    inbox.append(line(1))

    assert kept(folder) == [line(1)]


# --- FSYNC -------------------------------------------------------------------------------------------------------


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What each file that went through fdatasync held at that moment."""
    contents: list[bytes] = []
    fdatasync = os.fdatasync

    def remembered(descriptor: int) -> None:
        contents.append(Path(f"/proc/self/fd/{descriptor}").read_bytes())
        fdatasync(descriptor)

    monkeypatch.setattr(os, "fdatasync", remembered)
    return contents


def test_with_fsync_each_record_is_on_the_disk_before_append_returns(folder: Path, synced: list[bytes]) -> None:
    inbox = SpoolInbox(folder, fsync=True)
    inbox.append(line(1))
    inbox.append(line(2))

    assert synced == [line(1), line(1) + line(2)]


def test_without_fsync_nobody_waits_for_the_disk(inbox: SpoolInbox, synced: list[bytes]) -> None:
    inbox.append(line(1))

    assert synced == []


def test_the_settings_turn_fsync_on(capture: Callable[..., None], synced: list[bytes]) -> None:
    capture(FSYNC=True)
    get_inbox().append(line(1))

    assert synced == [line(1)]


# --- Sealing -----------------------------------------------------------------------------------------------------


def test_an_empty_spool_has_nothing_to_seal(inbox: SpoolInbox) -> None:
    assert list(inbox.seal()) == []


def test_sealing_gives_what_was_appended(inbox: SpoolInbox, folder: Path) -> None:
    inbox.append(line(1))

    [batch] = inbox.seal()

    assert rows(batch.path) == [line(1)]
    assert batch.size == batch.path.stat().st_size
    assert files(folder, "open") == []


def test_a_writer_goes_on_in_a_new_segment_after_a_seal(inbox: SpoolInbox, folder: Path) -> None:
    inbox.append(line(1))
    [batch] = inbox.seal()
    inbox.append(line(2))

    assert rows(batch.path) == [line(1)]
    assert [path.read_bytes() for path in files(folder, "open")] == [line(2)]


def test_another_process_may_seal(inbox: SpoolInbox, folder: Path) -> None:
    inbox.append(line(1))
    in_child(lambda: len(list(SpoolInbox(folder).seal())))
    inbox.append(line(2))

    assert [rows(path) for path in files(folder, "sealed")] == [[line(1)]]
    assert [path.read_bytes() for path in files(folder, "open")] == [line(2)]


def test_no_record_is_lost_or_doubled_while_segments_are_sealed(inbox: SpoolInbox, folder: Path) -> None:
    def write() -> None:
        for number in range(1000):
            inbox.append(line(number))

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        list(inbox.seal())
    writer.join()

    assert kept(folder) == sorted(line(number) for number in range(1000))


def test_segments_are_sealed_oldest_first(folder: Path) -> None:
    inbox = SpoolInbox(folder, segment_bytes=1)
    for number in range(5):
        inbox.append(line(number))

    assert [rows(batch.path) for batch in inbox.seal()] == [[line(number)] for number in range(5)]


def test_a_segment_is_sealed_only_when_it_is_asked_for(folder: Path) -> None:
    inbox = SpoolInbox(folder, segment_bytes=1)
    for number in range(3):
        inbox.append(line(number))

    next(inbox.seal())

    assert (len(files(folder, "sealed")), len(files(folder, "open"))) == (1, 2)


def test_a_segment_in_use_is_left_for_the_next_drain(inbox: SpoolInbox, folder: Path) -> None:
    inbox.append(line(1))
    with files(folder)[0].open("rb") as in_use:
        fcntl.flock(in_use, fcntl.LOCK_EX)
        assert list(inbox.seal()) == []

    assert [rows(batch.path) for batch in inbox.seal()] == [[line(1)]]


def test_a_seal_that_died_before_its_rename_is_finished_by_the_next(inbox: SpoolInbox, folder: Path) -> None:
    def die(path: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    inbox.append(line(1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "rename", die)
        with pytest.raises(KeyboardInterrupt):
            list(inbox.seal())
    inbox.append(line(2))

    assert sorted(row for batch in inbox.seal() for row in rows(batch.path)) == [line(1), line(2)]


def test_an_empty_segment_is_left_to_its_writer(inbox: SpoolInbox, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "1-1-a.open.jsonl").touch()

    assert list(inbox.seal()) == []
    assert len(files(folder, "open")) == 1


def test_an_empty_segment_of_a_process_long_gone_is_removed(inbox: SpoolInbox, folder: Path) -> None:
    folder.mkdir(parents=True)
    abandoned = folder / "1-1-a.open.jsonl"
    abandoned.touch()
    yesterday = time.time() - 24 * 3600
    os.utime(abandoned, (yesterday, yesterday))

    for batch in inbox.seal():
        inbox.acknowledge(batch)

    assert files(folder) == []


def test_a_file_of_another_name_is_left_alone(inbox: SpoolInbox, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")

    assert list(inbox.seal()) == []
    assert inbox.depth() == InboxDepth(0, None)


# --- Leftovers and acknowledgement -------------------------------------------------------------------------------


def test_a_fresh_spool_has_no_leftovers(inbox: SpoolInbox) -> None:
    inbox.append(line(1))

    assert inbox.leftovers() == []


def test_a_batch_that_was_not_acknowledged_is_offered_again_under_its_name(inbox: SpoolInbox, folder: Path) -> None:
    inbox.append(line(1))
    sealed = list(inbox.seal())

    assert SpoolInbox(folder).leftovers() == sealed


def test_an_acknowledged_batch_is_gone(inbox: SpoolInbox, folder: Path) -> None:
    inbox.append(line(1))
    [batch] = inbox.seal()
    inbox.acknowledge(batch)

    assert inbox.leftovers() == []
    assert files(folder) == []


def test_a_batch_may_be_acknowledged_twice(inbox: SpoolInbox) -> None:
    inbox.append(line(1))
    [batch] = inbox.seal()
    inbox.acknowledge(batch)
    inbox.acknowledge(batch)

    assert inbox.leftovers() == []


def test_names_of_batches_do_not_repeat(folder: Path) -> None:
    inbox = SpoolInbox(folder, segment_bytes=1)
    for number in range(50):
        inbox.append(line(number))

    assert len({batch.name for batch in inbox.seal()}) == 50


# --- Depth -------------------------------------------------------------------------------------------------------


def test_depth_counts_open_and_sealed_records(inbox: SpoolInbox) -> None:
    inbox.append(line(1))
    list(inbox.seal())
    inbox.append(line(2))
    inbox.append(line(3))

    assert (inbox.count_rows(), inbox.depth().bytes) == (3, 3 * len(line(1)) + len(b"\n"))


def test_depth_seals_nothing(inbox: SpoolInbox, folder: Path) -> None:
    inbox.append(line(1))
    inbox.depth()

    assert files(folder, "sealed") == []


def test_names_that_somebody_else_gave_are_no_trouble(inbox: SpoolInbox, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "x.open.jsonl").write_bytes(line(1))
    (folder / "half.sealed.jsonl").write_bytes(line(2))
    (folder / "a-folder.open.jsonl").mkdir()

    assert (inbox.depth().bytes, inbox.count_rows()) == (2 * len(line(1)), 2)
    assert len(inbox.leftovers()) + len(list(inbox.seal())) == 2
