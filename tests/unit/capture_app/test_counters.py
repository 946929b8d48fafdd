"""Counts add up over processes, survive them, and never stand in the way of what they count."""

import gc
import logging
import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from tempfile import gettempdir

import pytest

from capture_app import counters
from capture_app.counters import Counters, sum_counts
from tests.unit.capture_app.processes import in_child


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "metrics"


@pytest.fixture
def counts(folder: Path) -> Counters:
    return Counters(lambda: folder)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that could not be had is tried again at the next count."""
    monkeypatch.setattr(counters, "_RETRY_AFTER", 0.0)


def add(counts: Counters, *names: str) -> None:
    for name in names:
        counts.add(name)


def count_in_child(counts: Counters, number: int) -> dict[str, int]:
    """As a worker does that was forked from a process with counts of its own; what it counted."""

    def work() -> dict[str, int]:
        counts.start_anew()
        add(counts, *["a"] * number)
        return counts.own()

    found: dict[str, int] = eval(in_child(work))
    return found


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@contextmanager
def no_writes() -> Iterator[None]:
    """The kernel refuses every write to a file, in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_without_a_count_there_is_nothing(counts: Counters, folder: Path) -> None:
    assert (counts.own(), sum_counts(folder), folder.exists()) == ({}, {}, False)


def test_what_is_counted_is_in_the_sum_at_once(counts: Counters, folder: Path) -> None:
    add(counts, "a", "b", "a")

    assert counts.own() == sum_counts(folder) == {"a": 2, "b": 1}


def test_names_may_have_any_letter(counts: Counters, folder: Path) -> None:
    add(counts, "failed Überlauf", "failed 溢")

    assert sum_counts(folder) == {"failed Überlauf": 1, "failed 溢": 1}


def test_more_names_than_a_block_holds_are_counted_too(counts: Counters, folder: Path) -> None:
    names = [f"cause {number}" for number in range(100)]
    add(counts, *names, *names)

    assert sum_counts(folder) == dict.fromkeys(names, 2)


def test_a_forked_child_counts_from_nothing_and_into_a_file_of_its_own(counts: Counters, folder: Path) -> None:
    add(counts, "a", "a")

    assert count_in_child(counts, 3) == {"a": 3}
    add(counts, "a")

    assert counts.own() == {"a": 3}
    assert sum_counts(folder) == {"a": 6}
    assert files(folder) == ["0000.counts", "0001.counts"]


def test_the_file_of_a_dead_process_is_gone_on_with(counts: Counters, folder: Path) -> None:
    for number in (1, 2, 3):
        count_in_child(counts, number)

    add(counts, "a", "b")

    assert sum_counts(folder) == {"a": 7, "b": 1}
    assert files(folder) == ["0000.counts"]


def test_a_killed_process_leaves_every_count_and_its_file(folder: Path) -> None:
    readable, writable = os.pipe()
    pid = os.fork()
    if pid == 0:
        add(Counters(lambda: folder), *["a"] * 5)
        os.write(writable, b".")
        signal.pause()
    os.read(readable, 1)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(readable)
    os.close(writable)
    later = Counters(lambda: folder)

    add(later, "a")

    assert (sum_counts(folder), files(folder)) == ({"a": 6}, ["0000.counts"])


def test_processes_at_the_same_time_lose_no_count(folder: Path) -> None:
    def work() -> None:
        own = Counters(lambda: folder)
        add(own, *["a", "b"] * 500)

    pids = []
    for _ in range(6):
        pid = os.fork()
        if pid == 0:
            work()
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)

    assert sum_counts(folder) == {"a": 3000, "b": 3000}
    assert len(files(folder)) <= 6


def test_threads_lose_no_count(counts: Counters, folder: Path) -> None:
    threads = [threading.Thread(target=add, args=(counts, *["a"] * 500)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert counts.own() == sum_counts(folder) == {"a": 4000}


def test_a_count_in_the_middle_of_a_count_waits_for_nobody(counts: Counters, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when garbage collection drops a stream, which is then recorded."""
    pack = counters._pack_value

    def pack_and_collect(value: int) -> bytes:
        monkeypatch.setattr(counters, "_pack_value", pack)
        Dropped(lambda: counts.add("b"))
        gc.collect()
        return pack(value)

    add(counts, "a", "b")
    monkeypatch.setattr(counters, "_pack_value", pack_and_collect)
    add(counts, "a")

    assert counts.own() == {"a": 2, "b": 2}


class Dropped:
    """Calls back when garbage collection finds it."""

    def __init__(self, then: Callable[[], None]) -> None:
        self.itself, self.then = self, then

    def __del__(self) -> None:
        self.then()


def test_a_child_forked_while_a_thread_counts_does_not_wait_for_that_thread(counts: Counters) -> None:
    add(counts, "a")
    begun, over = threading.Event(), threading.Event()

    def hold() -> None:
        with counts._lock:
            begun.set()
            over.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    begun.wait()
    try:
        assert count_in_child(counts, 1) == {"a": 1}
    finally:
        over.set()
        thread.join()


@pytest.mark.usefixtures("at_once")
def test_what_cannot_be_written_is_counted_and_written_later(
    counts: Counters, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    add(counts, "a")
    with no_writes():
        add(counts, "a", "b", "a")
        assert counts.own() == {"a": 3, "b": 1}
        assert sum_counts(folder) == {"a": 1}
    add(counts, "a")

    assert counts.own() == sum_counts(folder) == {"a": 4, "b": 1}
    said, recovered = messages(caplog)
    assert "Calls are captured all the same" in said
    assert "written again" in recovered


@pytest.mark.usefixtures("at_once")
def test_a_disk_that_is_full_from_the_start_loses_no_count(counts: Counters, folder: Path) -> None:
    with no_writes():
        add(counts, "a", "b", "a")
    add(counts, "b")

    assert sum_counts(folder) == {"a": 2, "b": 2}


def test_a_folder_that_cannot_be_made_is_said_once(
    tmp_path: Path, counts: Counters, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "metrics").touch()

    add(counts, "a", "a", "b")

    assert counts.own() == {"a": 2, "b": 1}
    [message] = messages(caplog)
    assert "File exists" in message


def test_a_missing_folder_is_not_asked_for_again_at_once(tmp_path: Path) -> None:
    asked = []

    def folder() -> Path:
        asked.append(1)
        raise RuntimeError("not configured")

    add(Counters(folder), "a", "a", "a")

    assert len(asked) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_file_of_another_user_is_left_alone(counts: Counters, folder: Path) -> None:
    count_in_child(counts, 1)
    folder.chmod(0o777)
    for parent in takewhile(lambda parent: parent != Path(gettempdir()), folder.parents):
        parent.chmod(0o755)

    def as_nobody() -> list[str]:
        os.seteuid(65534)
        counts.start_anew()
        counts.add("a")
        return files(folder)

    assert in_child(as_nobody) == "['0000.counts', '0001.counts']"
    assert sum_counts(folder) == {"a": 2}


def test_a_file_that_was_cut_is_no_end_of_the_process(counts: Counters, folder: Path) -> None:
    add(counts, "a")
    os.truncate(folder / "0000.counts", 0)

    add(counts, "a")

    assert counts.own() == {"a": 2}
    assert sum_counts(folder) == {}
