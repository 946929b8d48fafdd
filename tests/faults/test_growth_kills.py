"""Roll-over, merging and pruning while whoever does it is killed, and while others read."""

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.faults.broken_disk import PRELOAD
from tests.faults.conftest import Site, stop
from tests.faults.growth_workers import image
from tests.faults.storms import Storm, acknowledged

SETTINGS = "tests.faults.growth_settings"
WORKERS = "tests.faults.growth_workers"
ACKNOWLEDGED = "acknowledged"
SHORT_KILLS, LONG_KILLS = 32, 240

# How often each is killed: archive runs hold more states to be killed in than writers do.
_WEIGHTS = {"write": 1, "archive": 4, "merge": 3, "prune": 3, "old": 3}


@pytest.fixture
def growing(site: Site) -> Site:
    site.environment["DJANGO_SETTINGS_MODULE"] = SETTINGS
    return site


@pytest.fixture
def storm(growing: Site, tmp_path: Path, request: pytest.FixtureRequest) -> Storm:
    commands = [
        ("write", str(tmp_path / ACKNOWLEDGED)),
        ("archive",),
        ("merge",),
        ("prune",),
        ("old", str(growing.data_dir / "old.duckdb")),
    ]
    storm = Storm(
        growing,
        tmp_path,
        workers=WORKERS,
        commands=commands,
        weights=_WEIGHTS,
        longest_wait=0.6,
        seed=random.randrange(10**6),
    )
    storm.rage(LONG_KILLS if request.config.getoption("--long") else SHORT_KILLS)
    return storm


def test_whoever_is_killed_every_acknowledged_call_is_archived_once(
    growing: Site, storm: Storm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (("archive_training_data",), ("merge_chunks",), ("prune_archive", "--older-than=365d", "--yes")):
        growing.manage_json(*command)
    calls = acknowledged(tmp_path / ACKNOWLEDGED)
    status = growing.manage_json("archive_status")
    archived = Counter(archived_ids(growing))
    report = worker_says(growing, "report")
    with capsys.disabled():
        print(
            f"\n  seed {storm.seed}: {storm.kills.total()} kills ({dict(storm.kills)}), {len(calls):,} calls "
            f"acknowledged, {sum(archived.values()):,} rows in {status['chunks']} chunks in {len(status['zips'])} ZIPs"
        )

    assert calls - archived.keys() == set()
    assert [example_id for example_id, times in archived.items() if times > 1] == []
    assert (status["inbox_rows"], status["live_rows"], status["sealed_files"], status["quarantined"]) == (0, 0, 0, 0)
    assert_records_agree(report, set(archived), calls)
    assert_nothing_unfinished(growing)
    assert_blobs_are_there(growing)
    verified = growing.manage("verify_archive")
    assert verified.returncode == 0, verified.stderr


def assert_records_agree(report: dict[str, Any], archived: set[str], acknowledged: set[str]) -> None:
    assert set(report["ids"]) == archived
    assert report["known_chunks"] == sorted(report["chunks"])
    assert report["known_generations"] == report["generations"]
    assert acknowledged <= set(report["indexed"])
    assert report["lead_nowhere"] == []


def assert_nothing_unfinished(site: Site) -> None:
    left = [path.name for path in site.data_dir.rglob("*") if path.is_file()]
    assert [name for name in left if name.endswith((".appending", ".leaving", ".target"))] == []


def assert_blobs_are_there(site: Site) -> None:
    """The writers' examples refer to each of these, whatever else was pruned."""
    for number in range(5):
        sha256 = hashlib.sha256(image(number)).hexdigest()
        assert (site.data_dir / "blobs" / sha256[:2] / sha256).read_bytes() == image(number)


def archived_ids(site: Site) -> list[str]:
    """The id of every row in every ZIP, found without Gleaner."""
    found: list[str] = []
    for path in site.data_dir.glob("*.zip"):
        done = site.run("-m", "tests.faults.archived_ids", str(path))
        assert done.returncode == 0, done.stderr
        found += done.stdout.split()
    return found


def worker_says(site: Site, role: str, *arguments: str) -> Any:
    done = site.run("-m", WORKERS, str(site.folder / "ready"), role, *arguments)
    assert done.returncode == 0, done.stderr
    return orjson.loads(done.stdout)


# --- A full disk -----------------------------------------------------------------------------------------------------


def test_merging_and_pruning_on_a_full_disk_lose_and_double_nothing(growing: Site, needs: Callable[[str], str]) -> None:
    needs("fiu-run")
    growing.environment["LD_PRELOAD"] = PRELOAD
    seen = worker_says(growing, "full_disk")
    del growing.environment["LD_PRELOAD"]

    assert seen["failures"]
    assert sorted(archived_ids(growing)) == sorted(seen["kept"])
    assert_nothing_unfinished(growing)
    report = worker_says(growing, "report")
    assert_records_agree(report, set(seen["kept"]), set(seen["kept"]))
    assert growing.manage("verify_archive").returncode == 0


# --- Reading meanwhile -----------------------------------------------------------------------------------------------


@pytest.fixture
def grown(growing: Site) -> Iterator[Path]:
    """The file in which a process that makes the archive grow says what is archived by now."""
    archived = growing.folder / "archived"
    process = growing.start("-m", WORKERS, str(growing.folder / "ready"), "grow", str(archived))
    yield archived
    running = process.poll() is None
    stop([process])
    assert running, "It did not work to the end."


def test_readers_meanwhile_miss_nothing_and_see_nothing_twice(growing: Site, grown: Path) -> None:
    done = growing.run("-m", WORKERS, str(growing.folder / "reading"), "look", str(grown))

    assert done.returncode == 0, done.stderr
    looks, seen = map(int, done.stdout.split())
    assert looks >= 6
    assert seen > 6
