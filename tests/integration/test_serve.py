"""`make serve`, as a user has it: real gunicorn, worker and beat, which are looked at, killed and ended."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError

from tests.integration.conftest import ROOT, Project
from tests.integration.servers import PATIENCE, free_port, wait_until

PROGRAMS = {
    "web": "gunicorn",
    "worker": "project_settings worker --without",
    "trainer": "project_settings worker --queues training",
    "beat": "project_settings beat",
}

# As the form in the admin does it.
CHANGE_THE_INTERVAL = """
import django
django.setup()
from django_celery_beat.models import IntervalSchedule, PeriodicTask
entry = PeriodicTask.objects.get(name="drain-captures")
entry.interval = IntervalSchedule.objects.create(every=1, period="seconds")
entry.save()
"""


@dataclass(frozen=True, slots=True)
class Served:
    """A project that is being served."""

    project: Project
    process: subprocess.Popen[bytes]
    log: Path
    url: str

    def get(self, path: str) -> tuple[int, str]:
        """Status and text; status 0 while nobody listens."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=PATIENCE) as response:
                return response.status, response.read().decode()
        except HTTPError as error:
            with error:
                return error.code, ""
        except (URLError, ConnectionError):
            return 0, ""

    def family(self) -> dict[int, str]:
        """All processes that descend from this one, and itself: id and command line."""
        parents, commands = running_processes()
        found = {self.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return {pid: commands[pid] for pid in found if pid in commands}

    def main_process(self, name: str) -> int:
        """The process of that program that supervisord started; 0 while there is none."""
        parents, commands = running_processes()
        found = [
            pid for pid, parent in parents.items() if parent == self.process.pid and PROGRAMS[name] in commands[pid]
        ]
        return found[0] if found and not commands[found[0]].startswith("setpriv") else 0

    def is_up(self) -> bool:
        return self.get("/admin/login/")[0] == 200 and "ready." in self.log.read_text()


def running_processes() -> tuple[dict[int, int], dict[int, str]]:
    """Of each process, its parent, and its command line; zombies have ended."""
    parents, commands = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            command = (folder / "cmdline").read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            parents[int(folder.name)], commands[int(folder.name)] = int(parent), command
    return parents, commands


@contextmanager
def serve(project: Project, tmp_path: Path) -> Iterator[Served]:
    """The project served on a free port, and nothing of it left behind, whatever the test does."""
    port, log = free_port(), tmp_path / "serve.log"
    environment = {**project.environment, "PORT": str(port), "WEB_CONCURRENCY": "2"}
    del environment["SECRET_KEY"]  # serve makes one
    with log.open("wb") as output:
        command = [sys.executable, "-m", "project_settings.serve"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    served = Served(project, process, log, f"http://127.0.0.1:{port}")
    try:
        wait_until(served.is_up, log)
        yield served
    finally:
        family = served.family()
        for pid in family if process.poll() is None else ():
            os.kill(pid, signal.SIGKILL)
        process.wait(timeout=PATIENCE)


def end(served: Served, *signals: signal.Signals) -> list[str]:
    """Send the signals, wait for the end, and say what is left of the family."""
    family = served.family()
    for each in signals:
        served.process.send_signal(each)
        time.sleep(0.5)
    served.process.wait(timeout=PATIENCE)
    _, commands = running_processes()
    return [commands[pid] for pid in family if commands.get(pid) == family[pid]]


def capture_and_see_it_drained(served: Served, *, total: int) -> None:
    """Drained by the schedule, by beat and worker."""
    served.project.capture(2)
    wait_until(lambda: served.project.drained() == total, served.log)


def drain_each_second(served: Served) -> None:
    changed = served.project.run("-c", CHANGE_THE_INTERVAL)
    assert changed.returncode == 0, changed.stderr


def test_serve_answers_drains_restarts_what_dies_and_ends_on_ctrl_c(
    make_project: Callable[..., Project], tmp_path: Path
) -> None:
    with serve(make_project(), tmp_path) as served:
        _, page = served.get("/admin/login/")
        sheets = re.findall(r'<link rel="stylesheet" href="([^"]+)"', page)
        assert sheets
        assert [served.get(sheet)[0] for sheet in sheets] == [200] * len(sheets)
        assert served.get("/healthz")[0] == 200

        drain_each_second(served)  # beat obeys without a restart
        capture_and_see_it_drained(served, total=2)

        before = {name: served.main_process(name) for name in PROGRAMS}
        assert all(before.values())
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: all(served.main_process(name) not in (0, before[name]) for name in PROGRAMS), served.log)
        capture_and_see_it_drained(served, total=4)
        wait_until(served.is_up, served.log)

        assert end(served, signal.SIGINT, signal.SIGINT) == []  # the second one changes nothing
        assert served.process.returncode == 0, served.log.read_text()
        check_log(served.log)
        check_files(served.project.data_dir)
        assert not served.project.zip_path.exists()  # the archive waits for its hour, also at the first start


def test_serve_on_redis_refuses_a_second_one_and_leaves_nothing_when_it_is_killed(
    make_project: Callable[..., Project], redis_url: str, tmp_path: Path
) -> None:
    with serve(make_project(REDIS_URL=redis_url), tmp_path) as served:
        drain_each_second(served)
        capture_and_see_it_drained(served, total=2)

        second = subprocess.run(
            [sys.executable, "-m", "project_settings.serve"],
            cwd=ROOT,
            env={**served.project.environment, "PORT": str(free_port())},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert second.returncode == 1
        assert second.stderr.startswith("`make serve` already runs on ")

        family = served.family()
        served.process.kill()  # supervisord, which can then tell nobody to end
        served.process.wait(timeout=PATIENCE)
        wait_until(lambda: not family.keys() & running_processes()[1].keys(), served.log)


def check_log(log: Path) -> None:
    """What the servers log is JSON, and what Celery does stands there."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]

    assert all({"timestamp", "level", "logger", "event"} <= line.keys() for line in lines)
    errors = [line for line in lines if line["level"] in ("error", "critical")]
    # A killed gunicorn's children hold the port for a moment longer; the new one says so and tries again.
    assert [line for line in errors if line["logger"] != "gunicorn.error"] == []
    assert "  Ctrl-C ends web server, workers and beat.\n" in log.read_text()  # nobody wrote over it
    events = "\n".join(line["event"] for line in lines)
    assert "Listening at" in events
    assert re.search(r"Task capture_app\.drain_captures\[.*succeeded", events)


def check_files(data_dir: Path) -> None:
    """Nothing that serve made can be read by others."""
    assert (data_dir / "secret_key").stat().st_mode & 0o077 == 0
    assert (data_dir / "serve").stat().st_mode & 0o077 == 0
    assert {path.name for path in (data_dir / "serve").iterdir()} == {"lock"}
