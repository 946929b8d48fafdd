"""What is kept of the calls that were answered, when the processes that made them are recycled, killed or cut short."""

import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import orjson

from benchmarks.environment import ACKNOWLEDGED, BROKER, LATENCY, WAY
from benchmarks.otlp_stub import OtlpStub
from benchmarks.plots import grouped_bar_plot
from benchmarks.report import Bar, Progress, Report
from benchmarks.stage import Stage, answers, children, free_port, wait_until, whole_lines
from benchmarks.survival_broker import ASK, celery_app
from benchmarks.survival_ways import GLEANER, LANGFUSE, LANGFUSE_FLUSH, OTEL, OTEL_HOOK
from capture_app.example import RESERVED_KEY

WAYS: Final = (GLEANER, OTEL, OTEL_HOOK, LANGFUSE, LANGFUSE_FLUSH)

_WORKERS = 4  # of gunicorn; of Celery where children live on
_CLIENTS = 8  # threads that send requests
_RECYCLED_AFTER = 20  # requests, and up to half as many more
_KILL_EVERY = 2.0  # seconds
_RECYCLING_CHILDREN = 8  # of Celery: a child that is done lingers for a second
_CALL_SECONDS, _STREAM_SECONDS = 0.1, 1.0  # that the provider takes
_ARCHIVE_EVERY = 3.0  # seconds
_STILL = 2.0  # seconds without a new span, after which none is awaited
_QUIET = 5.0  # seconds without a new acknowledgement, after which Celery has nothing left to do
_PATIENCE = 300.0  # seconds

_METHOD = f"""\
Calls that were answered, and how many of them are found afterwards. Each way makes the same calls of a provider that
sleeps {_CALL_SECONDS} s, give or take half. As soon as a call has returned, the process that made it appends the id
under which the call should be found (of an example, or of a span) to a file with one `os.write`, which no SIGKILL takes
back: these lines are the *calls answered*. *Kept* are, for Gleaner, ids that stand exactly once in the archive after a
last archive run; while the calls are made, archive runs follow each other {_ARCHIVE_EVERY:.0f} s apart. For the others,
kept are ids of spans that reached a server on the same machine, which was awaited until nothing had come for
{_STILL:.0f} s after the last process had ended. All ways of a row run at the same time.

*OpenTelemetry* is `BatchSpanProcessor` with the OTLP/HTTP exporter, *Langfuse* its SDK 5, both with their defaults,
set up at import, which is before the fork where there is one, and flushed by their own exit handlers. *Fork hook* sets
OpenTelemetry up in gunicorn's `post_fork` and Celery's `worker_process_init` instead, as its documents advise; *flush*
calls `langfuse.flush()` at the end of each task and script, as Langfuse's documents advise for what is short-lived. A
dash: their documents name nothing of the kind there, or `--quick` left it out. Gleaner has no hook and needs no flush.

The rows: *gunicorn, recycled*: {_WORKERS} workers with `--preload`, each replaced after {_RECYCLED_AFTER} to
{_RECYCLED_AFTER * 3 // 2} requests, SIGTERM at the end. *gunicorn, killed*: the same without recycling, a random worker
killed with SIGKILL every {_KILL_EVERY:.0f} s. *Celery, recycled*: prefork, `--max-tasks-per-child 1`. *Celery, killed*:
{_WORKERS} prefork children, one of which is killed with SIGKILL every {_KILL_EVERY:.0f} s, as soon as its call has
returned. *os._exit*: a script with threads that ends with `os._exit(0)`. *ASGI, clients leave*: gunicorn's ASGI worker
with `--preload`; each client reads the beginning of a stream and leaves, which cancels the stream; SIGTERM at the end.
*asyncio, SIGTERM*: a program whose streams are cancelled by a timeout, and which has no handler for SIGTERM when that
comes. A stream that is cut short counts as one call, and must be kept as partial."""

_NOTE = """\
What is lost by a way that batches is what stood in the memory of a process when it ended: with these defaults the calls
of the last five seconds or the last 512, whichever are fewer. Of a process that lives longer, the same loss is a
smaller share."""


@dataclass(frozen=True, slots=True)
class Size:
    calls: int  # of a row
    few_calls: int  # of a row of scripts or of streams, which take longer
    recycled_tasks: int  # Celery forks for each
    ways: Sequence[str]


FULL: Final = Size(640, 320, 160, WAYS)
QUICK: Final = Size(100, 40, 16, (GLEANER, OTEL, LANGFUSE))


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    ways: Sequence[str]
    play: Callable[[Stage, int], None]  # makes so many calls, and returns when the last process has ended
    calls: Callable[[Size], int] = lambda size: size.calls
    streams: bool = False


def _streaming(name: str, ways: Sequence[str], play: Callable[[Stage, int], None]) -> Scenario:
    return Scenario(name, ways, play, calls=lambda size: size.few_calls, streams=True)


@dataclass(slots=True)
class Outcome:
    answered: int
    kept: int
    doubled: int  # ids found more than once

    @property
    def share(self) -> float:
        return self.kept / self.answered if self.answered else 0.0


Found = Mapping[str, Mapping[str, Outcome]]


def run(*, quick: bool, progress: Progress) -> Report:
    size = QUICK if quick else FULL
    found: dict[str, dict[str, Outcome]] = {}
    for number, scenario in enumerate(_SCENARIOS):
        progress(f"survival: {scenario.name}", number, len(_SCENARIOS))
        found[scenario.name] = _outcomes(scenario, size)
    return _report(found)


def _outcomes(scenario: Scenario, size: Size) -> dict[str, Outcome]:
    """Of each way; all at the same time."""
    ways = [way for way in scenario.ways if way in size.ways]
    with ThreadPoolExecutor(len(ways)) as pool:
        return dict(zip(ways, pool.map(lambda way: _outcome(scenario, way, size), ways), strict=True))


def _outcome(scenario: Scenario, way: str, size: Size) -> Outcome:
    with TemporaryDirectory(prefix="gleaner-bench-") as folder, OtlpStub() as stub:
        stage = _stage(Path(folder), way, stub.url, _STREAM_SECONDS if scenario.streams else _CALL_SECONDS)
        if way == GLEANER:
            stage.manage("migrate", "--verbosity", "0")
            with _archiving(stage):
                scenario.play(stage, scenario.calls(size))
            stage.manage("archive_training_data")
            kept = [found_as for found_as, metadata in stage.archived() if _counts(metadata, scenario.streams)]
        else:
            scenario.play(stage, scenario.calls(size))
            kept = _spans_when_still(stub)
        return _counted(whole_lines(_acknowledged(stage)), kept)


def _stage(folder: Path, way: str, server: str, latency: float) -> Stage:
    environment = {
        WAY: way,
        LATENCY: str(latency),
        ACKNOWLEDGED: str(folder / "acknowledged"),
        BROKER: str(folder / "broker"),
        "OTEL_EXPORTER_OTLP_ENDPOINT": server,
        "LANGFUSE_BASE_URL": server,
        "LANGFUSE_PUBLIC_KEY": "pk-benchmark",
        "LANGFUSE_SECRET_KEY": "sk-benchmark",
    }
    return Stage(folder, **environment)


def _acknowledged(stage: Stage) -> Path:
    return Path(stage.environment[ACKNOWLEDGED])


def _counts(metadata: str, streams: bool) -> bool:
    """Whether an example is what it should be: one of a stream that was cut short says so."""
    return not streams or bool(orjson.loads(metadata)[RESERVED_KEY].get("partial"))


def _counted(answered: Sequence[str], kept: Sequence[str]) -> Outcome:
    times = Counter(kept)
    return Outcome(
        answered=len(answered),
        kept=sum(times[found_as] == 1 for found_as in answered),
        doubled=sum(count > 1 for count in times.values()),
    )


@contextmanager
def _archiving(stage: Stage) -> Iterator[None]:
    """An archive run every few seconds, for as long as the block lasts."""
    over = threading.Event()

    def archive() -> None:
        while not over.wait(_ARCHIVE_EVERY):
            stage.manage("archive_training_data")

    with ThreadPoolExecutor(1) as pool:
        runs = pool.submit(archive)
        try:
            yield
        finally:
            over.set()
        runs.result()


def _spans_when_still(stub: OtlpStub) -> list[str]:
    seen, since = stub.span_ids(), time.monotonic()
    while time.monotonic() - since < _STILL:
        time.sleep(_STILL / 10)
        now = stub.span_ids()
        if len(now) > len(seen):
            seen, since = now, time.monotonic()
    return seen


# --- gunicorn ----------------------------------------------------------------------------------------------------


def _gunicorn_recycled(stage: Stage, calls: int) -> None:
    recycling = ("--max-requests", str(_RECYCLED_AFTER), "--max-requests-jitter", str(_RECYCLED_AFTER // 2))
    with _gunicorn(stage, "application", *recycling) as (_, port):
        _ask(stage, port, calls)


def _gunicorn_killed(stage: Stage, calls: int) -> None:
    with _gunicorn(stage, "application") as (server, port), _killing(server.pid):
        _ask(stage, port, calls)


def _asgi(stage: Stage, calls: int) -> None:
    with _gunicorn(stage, "streaming", "--worker-class", "asgi") as (_, port):
        dice = random.Random(0)
        pauses = [dice.uniform(0, _STREAM_SECONDS / 2) for _ in range(calls)]
        with ThreadPoolExecutor(2 * _CLIENTS) as pool:
            list(pool.map(lambda pause: _read_a_little(port, pause), pauses))


@contextmanager
def _gunicorn(stage: Stage, application: str, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    command = (
        *("gunicorn", "--config", "python:benchmarks.survival_web", "--workers", str(_WORKERS), "--no-control-socket"),
        *("--bind", f"127.0.0.1:{port}", *options, f"benchmarks.survival_web:{application}"),
    )
    with stage.running(*command, log="gunicorn") as server:
        wait_until(lambda: answers(port), "gunicorn's start")
        yield server, port


def _ask(stage: Stage, port: int, calls: int) -> None:
    """Send requests from several threads; what a client was told must also have been acknowledged."""
    with ThreadPoolExecutor(_CLIENTS) as pool:
        told = {body for body in pool.map(lambda number: _get(port, f"/{number}"), range(calls)) if body}
    missing = told - set(whole_lines(_acknowledged(stage)))
    if missing:
        raise RuntimeError(f"{len(missing)} answers reached a client, but were not acknowledged.")


def _get(port: int, path: str) -> str | None:
    """The body of a response; None when the worker was killed before there was one."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read().decode()
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()
    return body if response.status == 200 else None


def _read_a_little(port: int, pause: float) -> None:
    """Begin to read a stream, and leave after `pause` seconds."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    with suppress(OSError, HTTPException):
        connection.request("GET", "/")
        connection.getresponse().read1(1)
        time.sleep(pause)
    connection.close()


@contextmanager
def _killing(server: int) -> Iterator[None]:
    """SIGKILL for a random worker every few seconds, for as long as the block lasts."""
    over, dice = threading.Event(), random.Random(0)

    def kill() -> None:
        while not over.wait(_KILL_EVERY):
            workers = children(server)
            if workers:
                with suppress(ProcessLookupError):  # it ended by itself meanwhile
                    os.kill(dice.choice(workers), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        over.set()
        killer.join()


# --- Celery ------------------------------------------------------------------------------------------------------


def _celery_recycled(stage: Stage, tasks: int) -> None:
    recycling = ("--concurrency", str(_RECYCLING_CHILDREN), "--max-tasks-per-child", "1")
    _celery(stage, [False] * tasks, *recycling)


def _celery_killed(stage: Stage, tasks: int) -> None:
    between = int(_KILL_EVERY * _WORKERS / _CALL_SECONDS)
    _celery(stage, [number % between == between // 2 for number in range(tasks)], "--concurrency", str(_WORKERS))


def _celery(stage: Stage, tasks: Sequence[bool], *options: str) -> None:
    """One task for each item, which says whether its process is killed after it."""
    with stage.running(
        "celery", "--app", "benchmarks.survival_tasks", "worker", "--loglevel", "WARNING", *options, log="celery"
    ):
        app = celery_app(Path(stage.environment[BROKER]))
        for number, last in enumerate(tasks):
            app.send_task(ASK, (number, last))
        _wait_for_tasks(_acknowledged(stage), len(tasks))


def _wait_for_tasks(acknowledged: Path, count: int) -> None:
    """Until all are done, or nothing happens any more: Celery drops a task whose process died before it."""
    wait_until(lambda: bool(whole_lines(acknowledged)), "Celery's first task")
    seen, since = 0, time.monotonic()
    while seen < count and time.monotonic() - since < _QUIET:
        time.sleep(_QUIET / 50)
        now = len(whole_lines(acknowledged))
        if now > seen:
            seen, since = now, time.monotonic()


# --- No server ---------------------------------------------------------------------------------------------------


def _os_exit(stage: Stage, calls: int) -> None:
    script = stage.start("benchmarks.survival_scripts", "threads", str(calls), log="script")
    if script.wait(_PATIENCE):
        raise RuntimeError(f"The script ended with {script.returncode}.")


def _asyncio_terminated(stage: Stage, calls: int) -> None:
    with stage.running("benchmarks.survival_scripts", "streams", str(calls), log="script"):
        wait_until(lambda: "waiting" in whole_lines(stage.folder / "script.out"), "the last stream", _PATIENCE)


_SCENARIOS: Final = (
    Scenario("gunicorn, recycled", (GLEANER, OTEL, OTEL_HOOK, LANGFUSE), _gunicorn_recycled),
    Scenario("gunicorn, killed", (GLEANER, OTEL, OTEL_HOOK, LANGFUSE), _gunicorn_killed),
    Scenario("Celery, recycled", WAYS, _celery_recycled, calls=lambda size: size.recycled_tasks),
    Scenario("Celery, killed", WAYS, _celery_killed),
    Scenario("os._exit", (GLEANER, OTEL, LANGFUSE, LANGFUSE_FLUSH), _os_exit, calls=lambda size: size.few_calls),
    _streaming("ASGI, clients leave", (GLEANER, OTEL, OTEL_HOOK, LANGFUSE), _asgi),
    _streaming("asyncio, SIGTERM", (GLEANER, OTEL, LANGFUSE), _asyncio_terminated),
)


# --- What comes of it --------------------------------------------------------------------------------------------


def _report(found: Found) -> Report:
    return Report(
        name="survival",
        title="Calls answered, and calls kept",
        method=_METHOD,
        columns=("scenario", *WAYS),
        rows=[(name, *(_cell(outcomes.get(way)) for way in WAYS)) for name, outcomes in found.items()],
        notes=[_NOTE],
        bars=[_bar(name, outcomes[GLEANER]) for name, outcomes in found.items()],
        figure=grouped_bar_plot(
            "Kept of the calls that were answered",
            "%",
            {name: {way: 100 * outcome.share for way, outcome in outcomes.items()} for name, outcomes in found.items()},
            ours=(GLEANER,),
        ),
        raw={"outcomes": found},
    )


def _cell(outcome: Outcome | None) -> str:
    if outcome is None:
        return "-"
    return f"{outcome.kept:,} of {outcome.answered:,}" + (f", {outcome.doubled:,} doubled" if outcome.doubled else "")


def _bar(scenario: str, ours: Outcome) -> Bar:
    return Bar(
        f"Gleaner keeps what was answered: {scenario}",
        f"{ours.answered:,} of {ours.answered:,}, none doubled",
        f"{ours.kept:,} of {ours.answered:,}, {ours.doubled:,} doubled",
        0 < ours.answered == ours.kept and not ours.doubled,
    )
