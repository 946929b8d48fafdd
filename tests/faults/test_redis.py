"""Redis killed, stopped and away, and drains killed at every step: each acknowledged call is archived once."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from capture_app.inbox import breaker, get_inbox, redis_stream
from capture_app.inbox.redis_client import CaptureStream
from capture_app.services import drain_captures
from tests.faults.conftest import ROOT, Site, stop
from tests.faults.redis_drains import CALLS, POINTS
from tests.faults.redis_server import RedisServer, durable_redis
from tests.unit.capture_app.captured import example, stored

KEY = "gleaner:captures"
SHORT_OUTAGES, LONG_OUTAGES = 5, 60
KILLS = 50  # at the point that matters most
ELSEWHERE, LONG_ELSEWHERE = 1, 20  # at each of the other points


@pytest.fixture
def server(needs: Callable[[str], str], tmp_path: Path) -> Iterator[RedisServer]:
    with durable_redis(needs("redis-server"), tmp_path / "redis") as server:
        yield server


@pytest.fixture
def drain_host(site: Site, server: RedisServer) -> Site:
    """The host whose data directory has the live database."""
    site.environment |= {"DJANGO_SETTINGS_MODULE": "tests.faults.redis_settings", "INBOX_REDIS_URL": server.url}
    return site


@pytest.fixture
def web_host(drain_host: Site, tmp_path: Path) -> Site:
    """Another host: a data directory of its own, the same Redis."""
    web = Site(tmp_path / "web")
    web.environment = {**drain_host.environment, "TRAINING_DATA_DIR": str(web.data_dir)}
    return web


def assert_archived_once(host: Site, acknowledged: list[str]) -> None:
    """After one more archive run, which finds nothing left behind. What nobody acknowledged may be there too."""
    host.manage_json("archive_training_data")
    archived = Counter(host.archived_ids())
    assert len(set(acknowledged)) == len(acknowledged)
    assert [example_id for example_id in acknowledged if example_id not in archived] == []
    assert [example_id for example_id, times in archived.items() if times > 1] == []


def assert_nothing_waits(host: Site) -> None:
    status = host.manage_json("archive_status")
    assert (status["inbox_rows"], status["live_rows"], status["sealed_files"], status["quarantined"]) == (0, 0, 0, 0)


# --- Redis is killed under load ----------------------------------------------------------------------------------


def test_redis_killed_under_load_loses_and_doubles_nothing(
    drain_host: Site,
    web_host: Site,
    server: RedisServer,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    outages = LONG_OUTAGES if request.config.getoption("--long") else SHORT_OUTAGES
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    files = [tmp_path / f"acknowledged_{number}" for number in range(3)]
    writers = [(web_host, "write", files[0]), (web_host, "write", files[1]), (drain_host, "write", files[2])]
    with at_work(tmp_path, *writers, (drain_host, "drain"), (drain_host, "archive")):
        for _ in range(outages):
            time.sleep(dice.uniform(0.2, 1.0))
            server.kill()
            time.sleep(dice.uniform(0.0, 0.6))
            server.start()
        time.sleep(0.5)
    forwarded = web_host.manage_json("forward_captures")["records"]

    acknowledged = [example_id for file in files for example_id in file.read_text().rpartition("\n")[0].split()]
    with capsys.disabled():
        print(f"\n  seed {seed}: Redis killed {outages} times, {len(acknowledged):,} calls, {forwarded:,} forwarded")
    assert_archived_once(drain_host, acknowledged)
    assert_nothing_waits(drain_host)
    assert server.client.xlen(KEY) == 0


@contextmanager
def at_work(folder: Path, *workers: tuple[Site | str | Path, ...]) -> Iterator[None]:
    """Processes of tests.faults.workers, each (host, role, argument), killed at the end, wherever they are."""
    started: list[tuple[Path, subprocess.Popen[str]]] = []
    try:
        for number, (host, *command) in enumerate(workers):
            assert isinstance(host, Site)
            ready = folder / f"ready_{number}"
            started.append((ready, host.start("-m", "tests.faults.workers", str(ready), *map(str, command))))
        for ready, _ in started:
            wait_for(ready)
        yield
        for _, process in started:
            assert process.poll() is None, process.communicate()[1]
    finally:
        stop([process for _, process in started])


def wait_for(ready: Path, *, size: int = 0) -> None:
    """Until there is such a file, of that many bytes at least."""
    deadline = time.monotonic() + 60
    while not ready.exists() or ready.stat().st_size < size:
        assert time.monotonic() < deadline, f"{ready} did not come."
        time.sleep(0.01)


# --- The drain is killed -----------------------------------------------------------------------------------------


def test_a_drain_killed_at_any_step_loses_and_doubles_nothing(
    drain_host: Site,
    server: RedisServer,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    elsewhere = LONG_ELSEWHERE if request.config.getoption("--long") else ELSEWHERE
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    points = ["before the acknowledgement"] * KILLS + list(POINTS) * elsewhere
    dice.shuffle(points)
    acknowledged = tmp_path / "acknowledged"
    with forking(drain_host, acknowledged) as do:
        for point in points:
            assert do(point) == -signal.SIGKILL, point
            if dice.random() < 0.15:
                archive(do, server, redis_is_away=dice.random() < 0.5)
    with capsys.disabled():
        print(f"\n  seed {seed}: {len(points)} drains killed, {KILLS + elsewhere} of them before the acknowledgement")

    ids = acknowledged.read_text().split()
    assert len(ids) == CALLS * len(points)
    assert_archived_once(drain_host, ids)
    assert_nothing_waits(drain_host)
    assert len(drain_host.archived_ids()) == len(ids)
    assert server.client.xlen(KEY) == 0


def archive(do: Callable[[str], int], server: RedisServer, *, redis_is_away: bool) -> None:
    """What the killed drain has committed is taken away, whether Redis can be told or not."""
    if redis_is_away:
        server.kill()
    assert do("archive") == 0
    if redis_is_away:
        server.start()


@contextmanager
def forking(host: Site, acknowledged: Path) -> Iterator[Callable[[str], int]]:
    """A process of tests.faults.redis_drains, to be told what to do; it answers how its child ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.redis_drains", str(acknowledged)],
        cwd=ROOT,
        env=host.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin as told, process.stdout as answers:

        def do(command: str) -> int:
            print(command, file=told, flush=True)
            return int(answers.readline())

        yield do
    assert process.wait(timeout=60) == 0


# --- Redis hangs -------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_redis_that_hangs_is_asked_once_and_what_it_does_later_doubles_nothing(
    server: RedisServer, capture: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[bytes] = []
    add = CaptureStream.add

    def counted(stream: CaptureStream, line: bytes, blobs: object) -> None:
        tries.append(line)
        add(stream, line, ())

    monkeypatch.setattr(CaptureStream, "add", counted)
    monkeypatch.setattr(breaker, "FIRST_WAIT", 600.0)
    monkeypatch.setattr(redis_stream, "_FORWARD_INTERVAL", 600.0)
    capture(INBOX="capture_app.inbox.redis_stream.RedisStreamInbox", REDIS_URL=server.url)
    records = [example() for _ in range(500)]
    get_inbox().append(records[0].to_json_line())
    server.hang()
    try:
        for record in records[1:]:
            get_inbox().append(record.to_json_line())
    finally:
        server.resume()

    assert len(tries) == 2  # the one before, and the one that found out
    assert server.client.xlen(KEY) == 2  # Redis has done late what it was not waited for
    assert get_inbox().count_rows() == 501
    assert drain_captures().rows == 500
    assert stored() == sorted(record.id for record in records)


def test_calls_go_on_while_redis_hangs(drain_host: Site, server: RedisServer, tmp_path: Path) -> None:
    acknowledged = tmp_path / "acknowledged"
    with at_work(tmp_path, (drain_host, "write", acknowledged)):
        time.sleep(0.5)
        server.hang()
        before = acknowledged.stat().st_size
        time.sleep(1.5)
        server.resume()
        assert acknowledged.stat().st_size > before  # calls went on meanwhile
        time.sleep(1.0)

    assert_archived_once(drain_host, acknowledged.read_text().rpartition("\n")[0].split())


# --- Forks, and hosts --------------------------------------------------------------------------------------------


def test_children_that_end_without_cleaning_up_lose_nothing(drain_host: Site, server: RedisServer) -> None:
    with_redis = captured_in_forks(drain_host)
    assert server.client.xlen(KEY) == len(with_redis)
    server.kill()
    without_redis = captured_in_forks(drain_host)
    server.start()

    assert_archived_once(drain_host, with_redis + without_redis)


def captured_in_forks(host: Site) -> list[str]:
    done = host.run("-m", "tests.faults.forks")
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_what_a_web_host_kept_for_itself_reaches_the_drain_host_with_its_pictures(
    drain_host: Site, web_host: Site, server: RedisServer
) -> None:
    server.kill()
    done = web_host.run("-m", "tests.faults.redis_host", "20")
    assert done.returncode == 0, done.stderr
    assert web_host.manage("forward_captures").returncode == 1
    server.start()

    assert web_host.manage_json("forward_captures")["records"] == 20
    assert_archived_once(drain_host, done.stdout.split())
    for number in range(20):
        sha256 = hashlib.sha256(f"picture {number}".encode()).hexdigest()
        assert (drain_host.data_dir / "blobs" / sha256[:2] / sha256).read_bytes() == f"picture {number}".encode()


def test_a_forwarding_that_is_killed_is_done_again(
    drain_host: Site, web_host: Site, server: RedisServer, tmp_path: Path
) -> None:
    acknowledged = tmp_path / "acknowledged"
    server.kill()
    with at_work(tmp_path, (web_host, "write", acknowledged)):
        wait_for(acknowledged, size=1)
        time.sleep(0.7)
    server.start()
    code = (
        "import os, signal, django; django.setup()\n"
        "from capture_app.inbox import get_inbox\n"
        "from capture_app.inbox.spool import SpoolInbox\n"
        "SpoolInbox.acknowledge = lambda *batches: os.kill(os.getpid(), signal.SIGKILL)\n"
        "get_inbox().forward()\n"
    )
    assert web_host.run("-c", code).returncode == -signal.SIGKILL
    drain_host.manage_json("archive_training_data")
    again = web_host.manage_json("forward_captures")["records"]

    ids = acknowledged.read_text().rpartition("\n")[0].split()
    assert again >= len(ids) > 0
    assert_archived_once(drain_host, ids)
    assert not list(os.scandir(web_host.data_dir / "spool"))[1:]  # its lock alone
