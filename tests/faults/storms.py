"""Processes at work on one site, each killed and started again at random."""

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.faults.conftest import ROOT, Site

_KILLS_PER_RUN = 2  # there are this many kills at most from one run's end to the next one's


class Storm:
    """Each command is a role of `workers`, a module of the nursery's, and its arguments."""

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

    def rage(self, kills: int) -> None:
        log = self._folder / "nursery.log"
        with _nursery(self._site, self._workers, log) as nursery:
            pids = [self._start(nursery, number) for number in range(len(self._commands))]
            for kill in range(kills):
                if kill % _KILLS_PER_RUN == 0:
                    self._wait_until_archive_changes()
                number = self._dice.choices(range(len(self._commands)), weights=self._weights)[0]
                self._wait_until_at_work(number)
                time.sleep(self._dice.uniform(0, self._longest_wait))
                assert nursery.ask("kill", pids[number]), log.read_text()
                self.kills[self._commands[number][0]] += 1
                pids[number] = self._start(nursery, number)

    def _ready_file(self, number: int) -> Path:
        return self._folder / f"ready_{number}"

    def _start(self, nursery: "_Nursery", number: int) -> int:
        self._ready_file(number).unlink(missing_ok=True)
        return nursery.ask("start", str(self._ready_file(number)), *self._commands[number])

    def _wait_until_at_work(self, number: int) -> None:
        _wait_until(self._ready_file(number).exists, f"{self._commands[number]} did not begin.")

    def _wait_until_archive_changes(self) -> None:
        """Else a busy machine would see every run killed long before its end, and never what comes after a run."""
        before = self._archive()
        _wait_until(lambda: self._archive() != before, "No run has come to its end.")

    def _archive(self) -> set[tuple[str, int]]:
        """Each ZIP, and its file's number: one that is written anew is another file."""
        return {(path.name, path.inode()) for path in os.scandir(self._site.data_dir) if path.name.endswith(".zip")}


def _wait_until(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.005)


class _Nursery:
    """tests.faults.nursery, to be told what to do."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, *command: str | int) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(command), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())


@contextmanager
def _nursery(site: Site, workers: str, log: Path) -> Iterator[_Nursery]:
    """It ends, and all its workers with it, with the block."""
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery", workers],
            cwd=ROOT,
            env=site.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        yield _Nursery(process)
        process.communicate(timeout=60)
    assert process.returncode == 0, log.read_text()


def acknowledged(*files: Path) -> set[str]:
    """The ids that writers wrote down. One may have been killed within a line: that call was not acknowledged."""
    return {example_id for path in files for example_id in path.read_text().rpartition("\n")[0].split()}
