"""What callers notice of drains and archive runs, while a web server under load captures every call."""

import json
import os
import subprocess
import time
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from benchmarks.corpus import calls
from benchmarks.environment import CALLS, LATENCY, NOTES
from benchmarks.measure import Spread, percentile, settle
from benchmarks.plots import time_plot
from benchmarks.report import Bar, Progress, Report
from benchmarks.stage import Stage, answers, children, cpu_seconds, free_port, memory_mb, wait_until, whole_lines

WITHOUT, DURING, DRAINING = "without an archive run", "during archive runs", "during drains"

_WORKERS, _THREADS = 4, 16  # of gunicorn
_CALLERS = _WORKERS * _THREADS
_LATENCY = 0.1  # seconds, mean of the provider
_JOBS: Final = {"drain": 10.0, "archive": 30.0}  # seconds from the beginning of one run to the next
_WARM_UP = 5.0  # seconds before the measurement begins
_LIMIT = 2.0  # p99 of the overhead during archive runs, in p99 without
_DIFFERENT_CALLS = 500
_PATIENCE = 60.0  # seconds

_METHOD = f"""\
gunicorn with {_WORKERS} workers of {_THREADS} threads; {_CALLERS} callers, each of which asks again as soon as it has
its answer. Each request makes one `call_llm` of about 4 kB, captured, of a provider that sleeps {_LATENCY} s, give or
take half, which is little for a model and so many calls for this machine. The *overhead* is what `call_llm` took beyond
the provider's own time, measured inside the worker; it includes every wait for a core, for Python's lock and for the
disk. One process drains every {_JOBS["drain"]:.0f} s, another one archives every {_JOBS["archive"]:.0f} s, each with
the body of the project's own Celery task. A call belongs to the time in which it ended; *during archive runs* is from
the beginning of a run to its end: its drain, its compression and its reading back included. All of it shares the cores
of one machine. At the end everything is archived, and the ids that callers were given are looked for in the ZIP."""


@dataclass(frozen=True, slots=True)
class Size:
    seconds: float


FULL: Final = Size(600)
QUICK: Final = Size(60)


class Note(NamedTuple):
    """What a worker wrote down about a call."""

    ended: float  # seconds since the epoch
    overhead: float  # microseconds
    outcome: str  # the example's id, or what went wrong


Process = subprocess.Popen[bytes]
Spans = Sequence[tuple[float, float]]  # from, until; in order, apart from each other


@dataclass(slots=True)
class Found:
    begin: float  # of the measurement, in seconds since the epoch
    seconds: float
    notes: list[Note]  # warm-up included
    answers: int  # that callers got, warm-up included
    errors: int  # that callers met
    runs: dict[str, Spans]  # "archive" and "drain"
    archived: Counter[str]  # ids, over all chunks
    memory_mb: dict[str, float]
    cpu: dict[str, float]  # shares of the machine's cores

    def measured(self) -> list[Note]:
        return [note for note in self.notes if self.begin <= note.ended < self.begin + self.seconds]

    def since_begin(self, name: str) -> Spans:
        """The runs of one kind, in seconds since the measurement began."""
        return [(begin - self.begin, end - self.begin) for begin, end in self.runs[name]]


def run(*, quick: bool, progress: Progress) -> Report:
    return measured_report((QUICK if quick else FULL).seconds, progress)


def measured_report(seconds: float, progress: Progress) -> Report:
    """The report of one run that lasts so many seconds."""
    with TemporaryDirectory(prefix="gleaner-bench-") as folder:
        found = _measure(Path(folder), seconds, progress)
    return _report(found)


def _measure(folder: Path, seconds: float, progress: Progress) -> Found:
    progress("load: making ready", 0, int(seconds))
    stage = _stage(folder)
    settle()
    with _serving(stage, _WARM_UP + seconds) as (server, client), _jobs(stage) as jobs:
        time.sleep(_WARM_UP)
        begin, meter = time.time(), Meter(server, client, jobs)
        _wait(begin + seconds, seconds, progress)
        cpu, memory = meter.cpu_shares(), meter.memory()
    progress("load: counting", int(seconds), int(seconds))
    stage.manage("archive_training_data")
    told = json.loads((folder / "client.out").read_text())
    return Found(
        begin=begin,
        seconds=seconds,
        notes=[note for path in (folder / "notes").iterdir() for note in map(_note, whole_lines(path))],
        answers=told["answers"],
        errors=told["errors"],
        runs={name: [_span(line) for line in whole_lines(folder / f"{name}.out")] for name in _JOBS},
        archived=Counter(example_id for example_id, _ in stage.archived()),
        memory_mb=memory,
        cpu=cpu,
    )


def _stage(folder: Path) -> Stage:
    stage = Stage(folder, **{LATENCY: str(_LATENCY), CALLS: str(folder / "calls.json"), NOTES: str(folder / "notes")})
    (folder / "notes").mkdir()
    (folder / "calls.json").write_text(json.dumps(_calls()))
    stage.manage("migrate", "--verbosity", "0")
    return stage


@contextmanager
def _serving(stage: Stage, seconds: float) -> Iterator[tuple[Process, Process]]:
    """gunicorn, and who calls it for so many seconds; at the end the callers are waited for."""
    port = free_port()
    with stage.running(*_gunicorn(port), log="gunicorn") as server:
        wait_until(lambda: answers(port), "gunicorn's start")
        client = stage.start("benchmarks.load_client", str(port), str(_CALLERS), str(seconds), log="client")
        yield server, client
        if client.wait(_PATIENCE):
            raise RuntimeError(f"The callers gave up: {(stage.folder / 'client.err').read_text()}")


@contextmanager
def _jobs(stage: Stage) -> Iterator[Mapping[str, Process]]:
    """Drains and archive runs at their intervals; one that is under way at the end is waited for."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(stage.running("benchmarks.load_jobs", name, str(every), log=name))
            for name, every in _JOBS.items()
        }


class Meter:
    """What the processes of a run use of the machine, from now on."""

    def __init__(self, server: Process, client: Process, jobs: Mapping[str, Process]) -> None:
        self._server, self._jobs = server, jobs
        self._groups = {
            "gunicorn": [server.pid, *children(server.pid)],
            "callers": [client.pid],
            "drains and archive runs": [job.pid for job in jobs.values()],
        }
        self._began, self._idle, self._used = time.monotonic(), _idle_seconds(), self._used_seconds()
        self._memory = {"gunicorn's workers at the beginning": self._workers_mb()}

    def cpu_shares(self) -> dict[str, float]:
        """Shares of all cores; `in all` counts what else ran on the machine."""
        available = (time.monotonic() - self._began) * (os.cpu_count() or 1)
        shares = {name: (used - self._used[name]) / available for name, used in self._used_seconds().items()}
        return {**shares, "in all": 1 - (_idle_seconds() - self._idle) / available}

    def memory(self) -> dict[str, float]:
        """Megabytes that processes held."""
        peaks = {f"{name}, at most": memory_mb(job.pid, "VmHWM") for name, job in self._jobs.items()}
        return {**self._memory, "at the end": self._workers_mb(), **peaks}

    def _used_seconds(self) -> dict[str, float]:
        return {name: cpu_seconds(pids) for name, pids in self._groups.items()}

    def _workers_mb(self) -> float:
        return sum(memory_mb(pid, "VmRSS") for pid in children(self._server.pid))


def _idle_seconds() -> float:
    """Of all cores together, since the machine started."""
    return float(Path("/proc/uptime").read_text().split()[1])


def _calls() -> list[dict[str, Any]]:
    """What is given to call_llm, in turns."""
    return [
        {
            "prompt": call.prompt,
            "system_prompt": call.system_prompt,
            "task": call.task,
            "model": call.model,
            "training_metadata": call.training_metadata,
        }
        for call in calls(_DIFFERENT_CALLS)
    ]


def _gunicorn(port: int) -> tuple[str, ...]:
    return (
        *("gunicorn", "--config", "python:benchmarks.load_web", "--no-control-socket", "--bind", f"127.0.0.1:{port}"),
        *("--workers", str(_WORKERS), "--threads", str(_THREADS), "benchmarks.load_web:application"),
    )


def _wait(until: float, seconds: float, progress: Progress) -> None:
    while (left := until - time.time()) > 0:
        progress("load", int(seconds - left), int(seconds))
        time.sleep(min(1.0, left))


def _note(line: str) -> Note:
    ended, overhead, outcome = line.split()
    return Note(float(ended), float(overhead), outcome)


def _span(line: str) -> tuple[float, float]:
    begin, end = map(float, line.split())
    return begin, end


# --- What comes of it --------------------------------------------------------------------------------------------


def _report(found: Found) -> Report:
    overheads = _overheads(found)
    p99 = {name: percentile(values, 99) for name, values in overheads.items()}
    return Report(
        name="load",
        title="What callers notice of drains and archive runs",
        method=_METHOD,
        columns=("calls that ended", "calls", "calls/s", "overhead p50 µs", "p99 µs", "highest µs"),
        rows=[_row(found, name, values) for name, values in overheads.items()],
        notes=_notes(found),
        bars=_bars(found, p99),
        figure=time_plot(
            "Overhead of call_llm under load, 99th percentile of each second",
            "µs, logarithmic",
            _by_second(found),
            shaded=("archive run", found.since_begin("archive")),
            limit=(f"{_LIMIT:.0f} times the p99 without an archive run", _LIMIT * p99[WITHOUT]),
        ),
        raw={
            "seconds": found.seconds,
            "overhead_us": {name: _percentiles(values) for name, values in overheads.items()},
            "p99_us_by_second": _by_second(found),
            "runs": {
                name: [(b - found.begin, e - found.begin) for b, e in spans] for name, spans in found.runs.items()
            },
            "answers": found.answers,
            "errors": found.errors,
            "memory_mb": found.memory_mb,
            "cpu": found.cpu,
        },
    )


def _overheads(found: Found) -> dict[str, list[float]]:
    """Microseconds of the calls, by what ran when they ended."""
    overheads: dict[str, list[float]] = {WITHOUT: [], DURING: [], DRAINING: []}
    for note in found.measured():
        archiving = _is_within(note.ended, found.runs["archive"])
        overheads[DURING if archiving else WITHOUT].append(note.overhead)
        if not archiving and _is_within(note.ended, found.runs["drain"]):
            overheads[DRAINING].append(note.overhead)
    return {name: values for name, values in overheads.items() if values}


def _is_within(moment: float, spans: Spans) -> bool:
    place = bisect_right(spans, (moment, float("inf")))
    return place > 0 and moment <= spans[place - 1][1]


def _seconds(found: Found, name: str) -> float:
    """How much of the measured time was of this kind."""
    spans = found.runs["drain" if name == DRAINING else "archive"]
    end = found.begin + found.seconds
    covered = sum(min(until, end) - begin for begin, until in spans if begin < end)
    return found.seconds - covered if name == WITHOUT else covered


def _row(found: Found, name: str, values: Sequence[float]) -> tuple[str, ...]:
    label = f"{name}, which is part of that" if name == DRAINING else name
    rate = "" if name == DRAINING else f"{len(values) / _seconds(found, name):,.0f}"
    return (label, f"{len(values):,}", rate, *(f"{figure:,.0f}" for figure in _percentiles(values)))


def _percentiles(values: Sequence[float]) -> tuple[float, float, float]:
    return percentile(values, 50), percentile(values, 99), max(values)


def _by_second(found: Found) -> dict[float, float]:
    """The 99th percentile of each second, by seconds since the beginning."""
    seconds: dict[float, list[float]] = defaultdict(list)
    for note in found.measured():
        seconds[float(int(note.ended - found.begin))].append(note.overhead)
    return {second: percentile(values, 99) for second, values in sorted(seconds.items())}


def _notes(found: Found) -> list[str]:
    lengths = {name: [end - begin for begin, end in spans] for name, spans in found.runs.items()}
    runs = "; ".join(
        f"{len(values)} {name} runs of {Spread.of(values).text(2)} s" for name, values in lengths.items() if values
    )
    memory = ", ".join(f"{name} {figure:,.0f} MB" for name, figure in found.memory_mb.items())
    cpu = ", ".join(f"{name} {100 * share:.0f} %" for name, share in found.cpu.items())
    return [
        f"{len(found.measured()):,} calls in {found.seconds:.0f} s. There were {runs}. Of all cores: {cpu}.",
        f"Resident memory: {memory}.",
    ]


def _bars(found: Found, p99: Mapping[str, float]) -> list[Bar]:
    ids = [note.outcome for note in found.notes]
    once = sum(found.archived[example_id] == 1 for example_id in ids)
    doubled = sum(times > 1 for times in found.archived.values())
    ratio = p99[DURING] / p99[WITHOUT] if DURING in p99 else float("inf")
    return [
        Bar("errors that callers met", "0", f"{found.errors} beside {found.answers:,} answers", not found.errors),
        Bar(
            "p99 of the overhead during archive runs",
            f"at most {_LIMIT:.0f} times the {p99[WITHOUT]:,.0f} µs without",
            f"{p99.get(DURING, 0):,.0f} µs, {ratio:.2f} times",
            ratio <= _LIMIT,
        ),
        Bar(
            "calls that stand in the archive exactly once",
            f"{len(ids):,} of {len(ids):,}, none doubled",
            f"{once:,} of {len(ids):,}, {doubled:,} doubled",
            once == len(ids) >= found.answers and not doubled,
        ),
    ]
