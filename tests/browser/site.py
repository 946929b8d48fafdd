"""The site as a user has it: gunicorn on a free port, with data and a database of its own, and a worker when asked."""

import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

from tests.integration.conftest import DATABASE, Project, project_in
from tests.integration.servers import free_port, wait_until

PASSWORD = "only-for-tests"

# `rights` are codenames of the console's permissions; "*" makes a superuser.
_ADD_USER = """
import sys
import django
django.setup()
from django.contrib.auth.models import Permission, User
name, password, *rights = sys.argv[1:]
user = User.objects.create_user(name, password=password, is_staff=True, is_superuser=rights == ["*"])
user.user_permissions.set(Permission.objects.filter(codename__in=rights))
"""

_CAPTURE = """
import sys
import django
django.setup()
from capture_app import call_llm
from demo.prompts import requests_from
requests, count, name = requests_from(None), int(sys.argv[1]), sys.argv[2]
for request in (requests * (1 + count // len(requests)))[:count]:
    answer = call_llm(messages=request.messages, task=name or request.task, training_metadata=request.metadata)
    print(answer.example_id)
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A project that is served."""

    project: Project
    url: str
    log: Path

    @property
    def admin(self) -> str:
        return f"{self.url}/admin/"

    def add_user(self, name: str, *rights: str) -> None:
        """A member of staff, whose password is PASSWORD."""
        self.run(_ADD_USER, name, PASSWORD, *rights)

    def capture(self, count: int, *, task: str = "") -> list[str]:
        """Ask the offline provider, about this project's own text, and drain; the ids, oldest first."""
        ids = self.run(_CAPTURE, str(count), task).split()
        self.manage("drain_captures")
        return ids

    def manage(self, *arguments: str) -> str:
        """Run a command to its end; what it printed."""
        done = self.project.manage(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the site's database has, by SQL."""
        return self.project.rows(query)

    def run(self, program: str, *arguments: str) -> str:
        """Run a program of Python to its end; what it printed."""
        done = self.project.run("-c", program, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def serve_site(folder: Path, database: Path) -> Iterator[Site]:
    """Serve a copy of `database` and an empty data directory, both in `folder`."""
    shutil.copy(database, folder / DATABASE)
    port, log = free_port(), folder / "web.log"
    project = project_in(folder, PORT=str(port), WEB_CONCURRENCY="2")
    site = Site(project, f"http://127.0.0.1:{port}", log)
    web = ["gunicorn", "--config", "python:project_settings.gunicorn_conf", "project_settings.wsgi"]
    with project.running(log, *web):
        wait_until(lambda: _answers(site), log)
        yield site


@contextmanager
def work(site: Site) -> Iterator[None]:
    """A Celery worker for the site."""
    log = site.log.with_name("worker.log")
    worker = ["celery", "--quiet", "--app", "project_settings", "worker", "--without-gossip", "--without-mingle"]
    with site.project.running(log, *worker):
        wait_until(lambda: "ready." in log.read_text(), log)
        yield


def _answers(site: Site) -> bool:
    try:
        with urllib.request.urlopen(f"{site.admin}login/") as response:
            return bool(response.status == 200)
    except (URLError, ConnectionError):
        return False
