"""Real servers for tests: each on a free port of the loopback, in a folder of its own, ended with its block."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import redis

PATIENCE = 60.0  # seconds; a worker needs two or three
_PAUSE = 0.1

Finder = Callable[[str], str]  # from a program's name to its path, as the fixture `needs`


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def running(command: list[str], **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """A server that is asked to end, and ends."""
    process = subprocess.Popen(command, **options)  # type: ignore[call-overload]  # the caller's, of many types
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=PATIENCE)


def wait_until(condition: Callable[[], object], log: Path, patience: float = PATIENCE) -> None:
    """Return when the condition holds; fail with the log after `patience` seconds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(_PAUSE)


@contextmanager
def redis_server(needs: Finder, folder: Path) -> Iterator[str]:
    """The URL of a Redis that keeps nothing."""
    port = free_port()
    address = ["--bind", "127.0.0.1", "--port", str(port)]
    nothing_kept = ["--save", "", "--appendonly", "no", "--dir", str(folder)]
    log = folder / "redis.log"
    with running([needs("redis-server"), *address, *nothing_kept, "--logfile", str(log)]):
        with redis.Redis(port=port) as client:
            wait_until(lambda: _answers(client), log)
        yield f"redis://127.0.0.1:{port}/0"


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


@contextmanager
def postgres_server(needs: Finder) -> Iterator[str]:
    """The URL of a PostgreSQL, ending where the name of a database belongs; `new_database` makes one."""
    initdb, pg_ctl = (_postgres_program(name, needs) for name in ("initdb", "pg_ctl"))
    # Its programs refuse to run as root, and its account cannot look into root's temporary folders.
    account = "postgres" if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="gleaner-postgres-") as name:
        folder, port = Path(name), free_port()
        if account:
            shutil.chown(folder, account)

        def run(*command: str) -> None:
            done = subprocess.run(command, user=account, cwd=folder, capture_output=True, text=True, check=False)
            log = folder / "log"
            assert done.returncode == 0, done.stderr + (log.read_text() if log.exists() else "")

        data = str(folder / "data")
        run(initdb, "--pgdata", data, "--username", "gleaner", "--auth", "trust", "--encoding", "UTF8", "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        # Its log is a file: a pipe would stay open as long as the server runs.
        run(pg_ctl, "--pgdata", data, "--wait", "--silent", "--log", str(folder / "log"), "--options", options, "start")
        try:
            yield f"postgres://gleaner@127.0.0.1:{port}/"
        finally:
            run(pg_ctl, "--pgdata", data, "--wait", "--silent", "--mode", "immediate", "stop")


def _postgres_program(name: str, needs: Finder) -> str:
    """Debian keeps the server's programs off the PATH, in a folder for each version."""
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return str(installed[-1]) if installed else needs(name)


def new_database(server_url: str, name: str) -> str:
    """Make an empty database; its URL."""
    with psycopg.connect(f"{server_url}postgres", autocommit=True) as connection:
        connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
    return f"{server_url}{name}"
