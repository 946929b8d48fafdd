"""An installation that verbs are done to, in the forks of a worker (see worker.py)."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[4]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a verb."""

    killed: bool
    value: Any = None


class Installations:
    """New installations, as many as are wanted, each in a folder of its own until the next one is made."""

    def __init__(self, folder: Path, worker: "subprocess.Popen[str]") -> None:
        self._folder, self._worker, self._numbers = folder, worker, count()
        self._receive()  # the template is made

    def new(self) -> "Installation":
        number = next(self._numbers)
        shutil.rmtree(self._folder / f"site {number - 1}", ignore_errors=True)
        site = self._folder / f"site {number}"
        site.mkdir()
        shutil.copy(self._folder / "db.sqlite3", site)
        return Installation(self, site)

    def ask(self, **request: Any) -> Outcome:
        assert self._worker.stdin is not None
        self._worker.stdin.write(json.dumps(request) + "\n")
        self._worker.stdin.flush()
        answer = self._receive()
        assert answer["status"] != "failed", f"{request['verb']} failed:\n{answer['value']}"
        return Outcome(answer["status"] == "killed", answer.get("value"))

    def _receive(self) -> dict[str, Any]:
        assert self._worker.stdout is not None
        answer: dict[str, Any] = json.loads(self._worker.stdout.readline())
        return answer


@dataclass(frozen=True, slots=True)
class Installation:
    """A data directory and a Django database."""

    _all: Installations
    folder: Path

    @property
    def data_dir(self) -> Path:
        return self.folder / "backups"

    def do(self, verb: str, *, kill_at: int | str | None = None, **arguments: Any) -> Outcome:
        """Do the verb in a process of its own, killed at that step (see killing.py) if it gets that far."""
        return self._all.ask(site=self.folder.name, verb=verb, arguments=arguments, kill_at=kill_at)

    def look(self) -> dict[str, Any]:
        """See look.py."""
        found: dict[str, Any] = self._all.ask(site=self.folder.name, verb="look").value
        return found


@contextmanager
def installations(folder: Path) -> Iterator[Installations]:
    """Have a worker make them in the folder, and end it at last."""
    command = [sys.executable, "-m", "tests.unit.training_archive.model.worker", str(folder)]
    temporary = folder / "temporary"  # what is killed leaves something there
    temporary.mkdir()
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as worker:
        try:
            yield Installations(folder, worker)
        finally:
            assert worker.stdin is not None
            worker.stdin.close()
