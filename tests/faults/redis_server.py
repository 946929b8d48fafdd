"""A Redis server of a test's own, on loopback, that can be killed, stopped and started again on the same data."""

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

_PATIENCE = 30.0  # seconds

_DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


class RedisServer:
    """Not running until it is started."""

    def __init__(self, program: str, folder: Path, *options: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "redis.log"
        address = ["--bind", "127.0.0.1", "--port", str(self.port)]
        kept = ["--dir", str(folder), "--save", "", "--logfile", str(self._log)]
        self._command = [program, *address, *kept, *options]
        self._process: subprocess.Popen[bytes] | None = None
        self.client: Any = redis.Redis(port=self.port, retry=Retry(NoBackoff(), 0))

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Returns when it answers."""
        self._process = subprocess.Popen(self._command)
        deadline = time.monotonic() + _PATIENCE
        while not self._answers():
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.01)

    def kill(self) -> None:
        """SIGKILL, unless it is dead already."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self.client.close()

    def hang(self) -> None:
        """It neither answers nor refuses until it resumes."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:  # not yet there, or still loading
            return False


@contextmanager
def durable_redis(program: str, folder: Path) -> Iterator[RedisServer]:
    """A server that has on the disk what it answered for, for the time of the block."""
    server = RedisServer(program, folder, *_DURABLE)
    server.start()
    try:
        yield server
    finally:
        server.kill()
