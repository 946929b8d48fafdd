"""Processes under test, in a folder of their own: started, ended, counted."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from benchmarks.environment import DATA, ROOT, process_environment
from capture_app.progress import silent
from training_archive.conf import ZIP_NAME
from training_archive.reader import CHUNK, attached_chunks, reading_session

SETTINGS: Final = "benchmarks.served_settings"

_PATIENCE = 60.0  # seconds
_PAUSE = 0.05


class Stage:
    """A site in `folder`, and the environment of the processes that work on it."""

    def __init__(self, folder: Path, **environment: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.environment = {**process_environment(folder), "DJANGO_SETTINGS_MODULE": SETTINGS, **environment}

    @property
    def zip_path(self) -> Path:
        return self.folder / DATA / ZIP_NAME

    def manage(self, *arguments: str) -> str:
        """Run a command of the project to its end; what it printed."""
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"manage.py {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def start(self, *command: str, log: str) -> subprocess.Popen[bytes]:
        """Run `python -m COMMAND` in the background, as the head of a session of its own.

        What it prints goes to `LOG.out` in the folder, what it complains of to `LOG.err`.
        """
        with (self.folder / f"{log}.out").open("ab") as out, (self.folder / f"{log}.err").open("ab") as err:
            return subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=self.folder,
                env=self.environment,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @contextmanager
    def running(self, *command: str, log: str) -> Iterator[subprocess.Popen[bytes]]:
        """As `start`; asked to end with SIGTERM when the block ends, and waited for."""
        process = self.start(*command, log=log)
        try:
            yield process
        except BaseException:
            kill_session(process)
            raise
        end(process)

    def archived(self) -> list[tuple[str, str]]:
        """Id and metadata (JSON) of every row of every chunk, repeats included, which iter_examples would hide."""
        rows: list[tuple[str, str]] = []
        with reading_session() as (connection, scratch):
            for _ in attached_chunks(connection, self.zip_path, scratch, silent):
                rows += connection.execute(f"SELECT id, CAST(metadata AS VARCHAR) FROM {CHUNK}.examples").fetchall()
        return rows


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and wait; what is left of the session then is killed, which no benchmark expects."""
    process.terminate()
    try:
        process.wait(_PATIENCE)
    finally:
        kill_session(process)


def kill_session(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def children(pid: int) -> list[int]:
    """The child processes of a process's main thread."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def memory_mb(pid: int, figure: str) -> float:
    """`VmRSS`, the memory that a process holds, or `VmHWM`, the most that it ever held."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines[figure].split()[0]) * 1024 / 1e6


def cpu_seconds(pids: Iterable[int]) -> float:
    """That these processes used so far, for themselves and in the kernel."""
    return sum(map(_cpu_ticks, pids)) / os.sysconf("SC_CLK_TCK")


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], what: str, patience: float = _PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {patience:.0f} s")
        time.sleep(_PAUSE)


def answers(port: int) -> bool:
    """Whether something listens there."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def whole_lines(path: Path) -> list[str]:
    """The lines of a file, less one that a kill left torn."""
    try:
        return path.read_text().rpartition("\n")[0].splitlines()
    except FileNotFoundError:
        return []
