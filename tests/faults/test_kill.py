"""SIGKILL at random moments: what was acknowledged is archived, exactly once."""

import random
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.conftest import Site, stop

WRITERS = 4
SHORT_KILLS, LONG_KILLS = 24, 240


def test_every_acknowledged_call_is_archived_once_whoever_is_killed(
    site: Site, tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    kills = LONG_KILLS if request.config.getoption("--long") else SHORT_KILLS
    seed = random.randrange(10**6)
    storm = Storm(site, tmp_path, random.Random(seed))

    storm.rage(kills)

    acknowledged = storm.acknowledged()
    report = site.manage_json("archive_training_data")
    status = site.manage_json("archive_status")
    archived = Counter(site.archived_ids())
    lost = acknowledged - archived.keys()
    doubled = [example_id for example_id, times in archived.items() if times > 1]
    with capsys.disabled():
        print(
            f"\n  seed {seed}: {kills} kills ({dict(storm.kills)}), {len(acknowledged):,} calls acknowledged, "
            f"{len(archived):,} archived in {status['chunks']} chunks, {len(lost)} lost, {len(doubled)} doubled"
        )
    assert not lost
    assert not doubled
    assert (status["inbox_rows"], status["live_rows"], status["sealed_files"], status["quarantined"]) == (0, 0, 0, 0), (
        report
    )
    verified = site.manage("verify_archive")
    assert verified.returncode == 0, verified.stderr


class Storm:
    """Four writers, a drain and an archive run, each killed and started again at random."""

    def __init__(self, site: Site, folder: Path, dice: random.Random) -> None:
        self.site, self.folder, self.dice = site, folder, dice
        self.kills: Counter[str] = Counter()
        self._acknowledged = [folder / f"acknowledged_{number}" for number in range(WRITERS)]
        self._commands = [
            *(("write", str(path)) for path in self._acknowledged),
            ("drain",),
            ("archive",),
        ]
        self._processes: list[subprocess.Popen[str]] = []

    def rage(self, kills: int) -> None:
        self._processes = [self._start(number) for number in range(len(self._commands))]
        try:
            for _ in range(kills):
                self._kill_one()
        finally:
            stop(self._processes)

    def acknowledged(self) -> set[str]:
        return {example_id for path in self._acknowledged for example_id in _whole_lines(path)}

    def _ready_file(self, number: int) -> Path:
        return self.folder / f"ready_{number}"

    def _start(self, number: int) -> subprocess.Popen[str]:
        self._ready_file(number).unlink(missing_ok=True)
        return self.site.start("-m", "tests.faults.workers", str(self._ready_file(number)), *self._commands[number])

    def _wait_until_at_work(self, number: int) -> None:
        deadline = time.monotonic() + 60
        while not self._ready_file(number).exists():
            assert time.monotonic() < deadline, f"{self._commands[number]} did not begin."
            time.sleep(0.005)

    def _kill_one(self) -> None:
        # Drains and archive runs hold more states to be killed in than writers do.
        number = self.dice.choices(range(len(self._commands)), weights=[1] * WRITERS + [4, 4])[0]
        self._wait_until_at_work(number)
        time.sleep(self.dice.uniform(0, 0.4))
        process = self._processes[number]
        assert process.poll() is None, process.communicate()[1]
        stop([process])
        self.kills[self._commands[number][0]] += 1
        self._processes[number] = self._start(number)


def _whole_lines(path: Path) -> list[str]:
    """A writer may have been killed in the middle of a line: that call was not acknowledged."""
    return path.read_text().rpartition("\n")[0].split()
