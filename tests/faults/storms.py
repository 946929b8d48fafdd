"""Processes at work on one site, each killed and started again at random."""

import random
import subprocess
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.faults.conftest import Site, stop


class Storm:
    """Each command is a role of `workers`, a module that is given a file to make once it is at work, and arguments."""

    def __init__(
        self,
        site: Site,
        folder: Path,
        *,
        workers: str,
        commands: Sequence[Sequence[str]],
        weights: Mapping[str, int],  # role -> how often it is killed beside others
        longest_wait: float,  # seconds before a kill
        seed: int,
    ) -> None:
        self.kills: Counter[str] = Counter()
        self.seed = seed
        self._site, self._folder, self._workers, self._commands = site, folder, workers, commands
        self._weights = [weights[command[0]] for command in commands]
        self._longest_wait = longest_wait
        self._dice = random.Random(seed)
        self._processes: list[subprocess.Popen[str]] = []

    def rage(self, kills: int) -> None:
        self._processes = [self._start(number) for number in range(len(self._commands))]
        try:
            for _ in range(kills):
                self._kill_one()
        finally:
            stop(self._processes)

    def _ready_file(self, number: int) -> Path:
        return self._folder / f"ready_{number}"

    def _start(self, number: int) -> subprocess.Popen[str]:
        self._ready_file(number).unlink(missing_ok=True)
        return self._site.start("-m", self._workers, str(self._ready_file(number)), *self._commands[number])

    def _wait_until_at_work(self, number: int) -> None:
        deadline = time.monotonic() + 60
        while not self._ready_file(number).exists():
            assert time.monotonic() < deadline, f"{self._commands[number]} did not begin."
            time.sleep(0.005)

    def _kill_one(self) -> None:
        number = self._dice.choices(range(len(self._commands)), weights=self._weights)[0]
        self._wait_until_at_work(number)
        time.sleep(self._dice.uniform(0, self._longest_wait))
        process = self._processes[number]
        assert process.poll() is None, process.communicate()[1]
        stop([process])
        self.kills[self._commands[number][0]] += 1
        self._processes[number] = self._start(number)


def acknowledged(*files: Path) -> set[str]:
    """The ids that writers wrote down. One may have been killed within a line: that call was not acknowledged."""
    return {example_id for path in files for example_id in path.read_text().rpartition("\n")[0].split()}
