"""A real web server with several workers, which are recycled and killed: one scrape has every captured call."""

import json
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.conftest import ROOT, Project
from tests.integration.servers import free_port, running, wait_until

WORKERS = 4
RECYCLED_AFTER = 15  # requests
CLIENTS = 8  # at once


@dataclass(frozen=True, slots=True)
class Site:
    """gunicorn, as a client sees it."""

    address: str
    project: Project

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"{self.address}/{path}", timeout=30) as response:
            text: str = response.read().decode()
        return text

    def answers(self) -> bool:
        try:
            return bool(self.get("healthz"))
        except urllib.error.URLError:
            return False

    def call(self, count: int) -> set[int]:
        """Make that many calls, several at a time; the processes that answered them."""
        with ThreadPoolExecutor(CLIENTS) as clients:
            return {int(pid) for pid in clients.map(self.get, ["call"] * count)}

    def figures(self) -> dict[str, float]:
        """Every sample of one scrape, its labels' values after its name."""
        families = text_string_to_metric_families(self.get("metrics"))
        samples = [sample for family in families for sample in family.samples]
        return {" ".join([sample.name, *sample.labels.values()]): sample.value for sample in samples}

    def scrapes(self, name: str) -> set[float]:
        """One figure, as scrapes that any worker may answer have it."""
        with ThreadPoolExecutor(CLIENTS) as clients:
            return {figures[name] for figures in clients.map(lambda _: self.figures(), range(3 * CLIENTS))}


@pytest.fixture(params=[False, True], ids=["alone", "beside other metrics"])
def site(request: pytest.FixtureRequest, make_project: Callable[..., Project], tmp_path: Path) -> Iterator[Site]:
    """A web server; the second time with the folder in which prometheus_client keeps a project's own metrics."""
    variables = {"DJANGO_SETTINGS_MODULE": "tests.integration.counting_settings"}
    if request.param:
        (tmp_path / "prometheus").mkdir()
        variables["PROMETHEUS_MULTIPROC_DIR"] = str(tmp_path / "prometheus")
    project = make_project(**variables)
    log, port = tmp_path / "gunicorn.log", free_port()
    options = [f"--workers={WORKERS}", f"--bind=127.0.0.1:{port}", f"--max-requests={RECYCLED_AFTER}", "--timeout=60"]
    command = [sys.executable, "-m", "gunicorn", "project_settings.wsgi", "--no-control-socket", *options]
    with log.open("wb") as output, running(command, cwd=ROOT, env=project.environment, stdout=output, stderr=output):
        site = Site(f"http://127.0.0.1:{port}", project)
        wait_until(site.answers, log)
        yield site


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_one_scrape_has_the_calls_of_every_worker_the_dead_ones_included(site: Site, tmp_path: Path) -> None:
    workers = site.call(100)
    wait_until(lambda: any(map(alive, workers)), tmp_path / "gunicorn.log")
    victim = next(filter(alive, sorted(workers, reverse=True)))
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: not alive(victim), tmp_path / "gunicorn.log")
    workers |= site.call(100)

    assert len(workers) > WORKERS, "no worker was recycled"
    assert site.figures()["gleaner_inbox_bytes"] > 0
    assert site.project.manage("drain_captures").returncode == 0
    assert site.scrapes("gleaner_captures_total") == {200}


def test_what_other_processes_do_is_in_the_scrape_too(site: Site) -> None:
    site.call(3)
    site.project.capture(2)
    for command in ("drain_captures", "archive_training_data"):
        assert site.project.manage(command).returncode == 0

    figures = site.figures()

    assert figures["gleaner_captures_total"] == 5
    assert (figures["gleaner_inbox_bytes"], figures["gleaner_sealed_files"]) == (0, 0)
    assert figures["gleaner_job_rows archive"] == 5
    assert figures["gleaner_job_failing archive"] == figures["gleaner_job_failing drain"] == 0
    assert figures["gleaner_archive_bytes"] == (site.project.data_dir / "llm_training_dataset.zip").stat().st_size
    assert site.project.status()["captures"] == 5


def test_the_web_server_is_well(site: Site) -> None:
    assert json.loads(site.get("healthz")) == {"status": "ok"}
