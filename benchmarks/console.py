"""How long the console's pages take with a million examples in the index, on SQLite and on PostgreSQL."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import orjson

from benchmarks.bulk import TEXT
from benchmarks.environment import process_environment
from benchmarks.measure import percentile, settle
from benchmarks.plots import grouped_bar_plot
from benchmarks.report import Bar, Progress, Report
from tests.integration.servers import new_database, postgres_server

SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"

_LONGEST: Final = 0.3  # seconds, of 95 in 100 requests

_METHOD = f"""\
{{rows:,}} examples in the index, one in 100 reviewed, one in 50 with feedback, one in 200 tagged; the newest
{{night:,}} of them are archived in one chunk, from which the page of an example reads. {TEXT} Each page is asked for
{{times}} times, after two times that do not count, in one fresh process for each database, by Django's test client:
from the request through all middleware to the last byte, without a network, as a superuser who may see everything. What
is asked for changes from request to request where it can. PostgreSQL runs on the same machine, with its own defaults
and without fsync; SQLite is set up as the stand-alone project has it. The database's statistics are fresh."""

Seconds = Mapping[str, Mapping[str, list[float]]]  # database -> page -> of each request


@dataclass(frozen=True, slots=True)
class Size:
    rows: int
    times: int


FULL, QUICK = Size(1_000_000, 60), Size(20_000, 5)


def run(*, quick: bool, progress: Progress) -> Report:
    size = QUICK if quick else FULL
    seconds: dict[str, dict[str, list[float]]] = {}
    for number, name in enumerate((SQLITE, POSTGRESQL)):
        with TemporaryDirectory(prefix="gleaner-bench-") as folder, _environment(name, Path(folder)) as environment:
            progress(f"console: filling {name}", 2 * number, 4)
            questions = Path(folder) / "questions.json"
            questions.write_bytes(_child(environment, "console_site", str(size.rows)))
            settle()
            progress(f"console: asking {name}", 2 * number + 1, 4)
            answer = _child(environment, "console_pages", str(size.times), str(questions))
            seconds[name] = orjson.loads(answer)
    return _report(seconds, size)


@contextmanager
def _environment(name: str, folder: Path) -> Iterator[dict[str, str]]:
    environment = process_environment(folder)
    if name == SQLITE:
        yield environment
        return
    with postgres_server(_find) as server:
        yield {**environment, "DATABASE_URL": new_database(server, "console")}


def _find(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise SystemExit(
            f"The benchmark console needs {program}, of PostgreSQL's server. Install it and run this again."
        )
    return path


def _child(environment: dict[str, str], module: str, *arguments: str) -> bytes:
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout


def _report(seconds: Seconds, size: Size) -> Report:
    pages = list(seconds[SQLITE])
    p95 = {name: {page: _milliseconds(taken, 95) for page, taken in found.items()} for name, found in seconds.items()}
    return Report(
        name="console",
        title="The console's pages",
        method=_METHOD.format(rows=size.rows, times=size.times, night=min(10_000, size.rows // 10)),
        columns=("page", *(f"{name}, {what}, ms" for name in seconds for what in ("p50", "p95"))),
        rows=[
            (page, *(f"{_milliseconds(seconds[name][page], share):,.0f}" for name in seconds for share in (50, 95)))
            for page in pages
        ],
        bars=[_bar(name, found) for name, found in p95.items()],
        figure=grouped_bar_plot(
            f"Pages over {size.rows:,} examples, p95",
            "milliseconds",
            {page: {name: found[page] for name, found in p95.items()} for page in pages},
            ours=(SQLITE,),
        ),
        raw={"rows": size.rows, "seconds": seconds},
    )


def _bar(name: str, p95: Mapping[str, float]) -> Bar:
    slowest = max(p95, key=lambda page: p95[page])
    limit = 1000 * _LONGEST
    return Bar(
        f"each page on {name}, p95",
        f"at most {limit:.0f} ms",
        f"{p95[slowest]:.0f} ms, the slowest: {slowest}",
        p95[slowest] <= limit,
    )


def _milliseconds(taken: list[float], share: float) -> float:
    return 1000 * percentile(taken, share)
