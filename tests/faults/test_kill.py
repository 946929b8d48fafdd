"""SIGKILL at random moments: what was acknowledged is archived, exactly once."""

import random
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.conftest import Site
from tests.faults.storms import Storm, acknowledged

WRITERS = 4
SHORT_KILLS, LONG_KILLS = 24, 240


def test_every_acknowledged_call_is_archived_once_whoever_is_killed(
    site: Site, tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    kills = LONG_KILLS if request.config.getoption("--long") else SHORT_KILLS
    seed = random.randrange(10**6)
    files = [tmp_path / f"acknowledged_{number}" for number in range(WRITERS)]
    storm = Storm(
        site,
        tmp_path,
        workers="tests.faults.workers",
        commands=[*(("write", str(path)) for path in files), ("drain",), ("archive",)],
        # Drains and archive runs hold more states to be killed in than writers do.
        weights={"write": 1, "drain": 4, "archive": 4},
        longest_wait=0.4,
        seed=seed,
    )

    storm.rage(kills)

    calls = acknowledged(*files)
    report = site.manage_json("archive_training_data")
    status = site.manage_json("archive_status")
    archived = Counter(site.archived_ids())
    lost = calls - archived.keys()
    doubled = [example_id for example_id, times in archived.items() if times > 1]
    with capsys.disabled():
        print(
            f"\n  seed {seed}: {kills} kills ({dict(storm.kills)}), {len(calls):,} calls acknowledged, "
            f"{len(archived):,} archived in {status['chunks']} chunks, {len(lost)} lost, {len(doubled)} doubled"
        )
    assert not lost
    assert not doubled
    assert (status["inbox_rows"], status["live_rows"], status["sealed_files"], status["quarantined"]) == (0, 0, 0, 0), (
        report
    )
    verified = site.manage("verify_archive")
    assert verified.returncode == 0, verified.stderr
