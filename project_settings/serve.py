"""`make serve`: web server, worker and beat with one command, until Ctrl-C. supervisord restarts what dies.

    python -m project_settings.serve

What it writes is in the data directory: `secret_key`, and `serve/` for what lasts as long as the servers do.
"""

import fcntl
import io
import os
import socket
import sys
from pathlib import Path
from typing import Final, NoReturn

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.core.management.utils import get_random_secret_key
from django.db import DatabaseError

from project_settings import env

CONFIGURATION: Final = Path(__file__).with_name("supervisord.conf")
_KEPT_DESCRIPTOR: Final = 3  # supervisord closes what is open from 5 on, and its children what is open from 3 on


def main() -> None:
    folder = env.training_data_dir() / "serve"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _only_serve(folder)
        _refuse_taken_port(*env.address())
        make_secret_key(env.secret_key_file())
    except OSError as error:
        raise SystemExit(f"Nothing was started: {error}") from None
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project_settings.settings")
    _prepare_database()
    _append_to_output()
    _greet()
    _become_supervisord(folder, lock)


def make_secret_key(path: Path) -> None:
    """A key that outlives the processes, unless there is one. Nobody but its owner can read it, at any moment."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(get_random_secret_key() + "\n")
        os.link(temporary, path)  # fails when another process was first; then its key is the key
    except FileExistsError:
        pass
    finally:
        temporary.unlink()


def _only_serve(folder: Path) -> int:
    """The descriptor of a lock that is held until supervisord ends: there shall be one beat."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit(
            f"`make serve` already runs on {folder.parent}. End that one, or set TRAINING_DATA_DIR to another folder."
        ) from None
    return lock


def _refuse_taken_port(host: str, port: int) -> None:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise SystemExit(
            f"Nothing was started: port {port} of {host} cannot be used ({error.strerror}). "
            "End the program that has it, or choose another: PORT=8001 make serve"
        ) from None


def _prepare_database() -> None:
    try:
        django.setup()
        call_command("check", stdout=io.StringIO())
        call_command("migrate", interactive=False, verbosity=0)
    except (CommandError, ImproperlyConfigured, DatabaseError) as error:
        raise SystemExit(f"Nothing was started: {error}") from None


def _greet() -> None:
    from django.contrib.auth import get_user_model

    print(f"\n  Gleaner is at http://{env.listen()}/admin/", flush=True)
    if not get_user_model()._default_manager.filter(is_superuser=True).exists():
        print("  Nobody can log in yet: .venv/bin/python manage.py createsuperuser", flush=True)
    print("  Ctrl-C ends web server, workers and beat.\n", flush=True)


def _append_to_output() -> None:
    """supervisord opens its standard output anew for each program; in a file, they would write over one another."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        flags = fcntl.fcntl(stream, fcntl.F_GETFL)
        fcntl.fcntl(stream, fcntl.F_SETFL, flags | os.O_APPEND)


def _become_supervisord(folder: Path, lock: int) -> NoReturn:
    environment = env.of_a_child(
        GLEANER_PYTHON=sys.executable,
        GLEANER_SERVE_FOLDER=str(folder),
        LOG_FORMAT=env.log_format(),  # chosen here: below supervisord no standard error is a terminal
    )
    command = [sys.executable, "-m", "supervisor.supervisord", "--configuration", str(CONFIGURATION)]
    if os.getuid() == 0:
        command += ["--user", "root"]  # said aloud, or supervisord warns
    os.dup2(lock, _KEPT_DESCRIPTOR)
    os.set_inheritable(_KEPT_DESCRIPTOR, True)  # which dup2 leaves undone when the two are the same
    os.execve(sys.executable, command, environment)  # noqa: S606  (no shell is wanted)


if __name__ == "__main__":
    try:
        main()
    except (ImproperlyConfigured, ValueError) as error:  # a variable of the environment that is none
        raise SystemExit(f"Nothing was started: {error}") from None
