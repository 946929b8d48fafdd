"""What one recorded call costs the code that makes it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from matplotlib.figure import Figure

from benchmarks import ways
from benchmarks.corpus import calls
from benchmarks.measure import Spread, in_turns, latencies, paced_latencies, percentile, settle
from benchmarks.otlp_stub import OtlpStub
from benchmarks.plots import bar_plot
from benchmarks.report import Bar, Progress, Report
from benchmarks.ways import Record, Step, Way

OVERHEAD, CAPTURED, BARE, NAIVE = "overhead of call_llm", "call_llm", "bare append", "naive DuckDB"
DURABLE, RECORDED, PLAIN, PROVIDER = "call_llm, FSYNC on", "record_example", "call_llm, not captured", "provider alone"
SQLITE, LANGFUSE = "SQLite WAL", "Langfuse SDK"
OURS: Final = (OVERHEAD, CAPTURED, DURABLE, RECORDED, PLAIN)

_STEPS = 500  # distinct calls; the loop goes round them
_WARM_UP = 10  # calls before the clock starts: files are open and code is imported then
_PACE = 100.0  # calls a second
_PACED_ROUNDS = 3

_METHOD = f"""\
Microseconds that one recorded call takes the process that makes it, in a tight loop over {_STEPS} different calls whose
records have about 4 kB. The provider behind `call_llm` answers at once with a prebuilt completion, so that nearly all
of the time is Gleaner's own; the *overhead* is the latency of `call_llm` less the median of the provider alone. A
*bare append* is the finished record through `orjson.dumps` and `os.write` to an `O_APPEND` file: there is no identifier
to make, no hash, no lock. *Naive DuckDB* is FileLock, `duckdb.connect`, one INSERT and close for each call, on an empty
table. SQLite has WAL and `synchronous=NORMAL`, one open connection, one INSERT and commit for each call. Langfuse's SDK
has its defaults and sends its batches to a server on this machine; its flush at the end is not counted. All ways run in
one process, each in a fresh folder on the same file system, taking turns round by round; Python's garbage collector is
on. Figures are medians over the rounds, with the lowest and the highest round."""


@dataclass(frozen=True, slots=True)
class Size:
    rounds: int
    calls: int
    slow_calls: int  # of the ways that wait for a disk
    naive_calls: int
    paced_calls: int


FULL, QUICK = Size(7, 5000, 1000, 60, 300), Size(3, 1000, 200, 20, 50)


@dataclass(slots=True)
class Found:
    """Percentiles of each round, by way, in microseconds."""

    p50: dict[str, list[float]]
    p99: dict[str, list[float]]
    calls: dict[str, int]

    def add(self, name: str, taken: Sequence[float]) -> None:
        self.p50.setdefault(name, []).append(percentile(taken, 50))
        self.p99.setdefault(name, []).append(percentile(taken, 99))
        self.calls[name] = len(taken)

    def summary(self) -> dict[str, tuple[Spread, Spread]]:
        return {name: (Spread.of(self.p50[name]), Spread.of(self.p99[name])) for name in self.p50}


Measure = Callable[[Record, Sequence[Step], int], list[float]]


def run(*, quick: bool, progress: Progress) -> Report:
    size = QUICK if quick else FULL
    steps = [Step(call, call.record()) for call in calls(_STEPS)]
    with OtlpStub() as stub:
        tight = _compare(_ways(stub), _counts(size), size.rounds, steps, latencies, progress)
        kept = len(stub.span_ids())
    paced_ways: dict[str, Way] = {BARE: ways.bare_append, CAPTURED: ways.captured}
    paced_counts = dict.fromkeys(paced_ways, size.paced_calls)
    paced = _compare(
        paced_ways, paced_counts, _PACED_ROUNDS, steps, partial(paced_latencies, per_second=_PACE), progress
    )
    sent = (tight.calls[LANGFUSE] + _WARM_UP) * size.rounds
    return _report(tight, paced, size, kept, sent)


def _ways(stub: OtlpStub) -> dict[str, Way]:
    return {
        PROVIDER: ways.provider_alone,
        BARE: ways.bare_append,
        CAPTURED: ways.captured,
        PLAIN: ways.not_captured,
        RECORDED: ways.recorded,
        DURABLE: ways.captured_durably,
        SQLITE: ways.sqlite_wal,
        LANGFUSE: partial(ways.langfuse, stub=stub),
        NAIVE: ways.naive_duckdb,
    }


def _counts(size: Size) -> Mapping[str, int]:
    few = {DURABLE: size.slow_calls, LANGFUSE: size.slow_calls, NAIVE: size.naive_calls}
    names = (PROVIDER, BARE, CAPTURED, PLAIN, RECORDED, SQLITE)
    return {**dict.fromkeys(names, size.calls), **few}


def _compare(
    candidates: Mapping[str, Way],
    counts: Mapping[str, int],
    rounds: int,
    steps: Sequence[Step],
    measure: Measure,
    progress: Progress,
) -> Found:
    found = Found({}, {}, {})
    done, total = 0, rounds * len(candidates)
    for number in range(rounds):
        for name in in_turns(list(candidates), number):
            progress(f"capture: {name}", done, total)
            found.add(name, _measure_once(candidates[name], steps, counts[name], measure))
            done += 1
    progress("capture", total, total)
    return found


def _measure_once(way: Way, steps: Sequence[Step], count: int, measure: Measure) -> list[float]:
    with TemporaryDirectory(prefix="gleaner-bench-") as folder, way(Path(folder), steps) as record:
        for step in steps[:_WARM_UP]:
            record(step)
        settle()
        return measure(record, steps, count)


def _report(tight: Found, paced: Found, size: Size, kept: int, sent: int) -> Report:
    figures, slow = tight.summary(), paced.summary()
    own = figures[PROVIDER][0].median
    figures = {OVERHEAD: tuple(figure.minus(own) for figure in figures[CAPTURED]), **figures}
    ordered = sorted(figures, key=lambda name: figures[name][0].median)
    bare = figures[BARE][0].median
    return Report(
        name="capture",
        title="What one recorded call costs",
        method=_METHOD,
        columns=("way", "calls per round", "p50 µs", "p99 µs", "p50 in bare appends"),
        rows=[
            (
                name,
                f"{tight.calls.get(name, tight.calls[CAPTURED]):,}",
                figures[name][0].text(),
                figures[name][1].text(),
                f"{figures[name][0].median / bare:,.1f}",
            )
            for name in ordered
        ],
        notes=_notes(slow, size, kept, sent),
        bars=_bars(figures),
        figure=_plot(figures, ordered, bare),
        raw={
            "microseconds": tight,
            "microseconds_at_100_calls_a_second": paced,
            "langfuse": {"kept": kept, "of": sent},
        },
    )


def _notes(slow: Mapping[str, tuple[Spread, Spread]], size: Size, kept: int, sent: int) -> list[str]:
    pace = f"{_PACE:.0f} calls a second ({size.paced_calls} calls in each of {_PACED_ROUNDS} rounds)"
    return [
        f"At {pace} caches are cold, and the same work is dearer:",
        "\n".join(f"- {name}: p50 {p50.text()} µs, p99 {p99.text()} µs" for name, (p50, p99) in slow.items()),
        f"Of {sent:,} generations given to Langfuse's SDK in the tight loops, {kept:,} reached the server.",
    ]


def _bars(figures: Mapping[str, tuple[Spread, Spread]]) -> list[Bar]:
    p50, p99 = (spread.median for spread in figures[OVERHEAD])
    bare, naive = figures[BARE][0].median, figures[NAIVE][0].median
    return [
        Bar(
            "overhead of call_llm at the median",
            f"at most 3 times a bare append, {3 * bare:.1f} µs",
            f"{p50:.1f} µs, {p50 / bare:.2f} times",
            p50 <= 3 * bare,
        ),
        Bar(
            "overhead of call_llm at the median against the naive way",
            "at most a 500th",
            f"{naive:,.0f} µs is {naive / p50:,.0f} times {p50:.1f} µs",
            naive >= 500 * p50,
        ),
        Bar(
            "overhead of call_llm at the 99th percentile",
            f"at most 10 times the median of a bare append, {10 * bare:.1f} µs",
            f"{p99:.1f} µs, {p99 / bare:.2f} times",
            p99 <= 10 * bare,
        ),
    ]


def _plot(figures: Mapping[str, tuple[Spread, Spread]], ordered: Sequence[str], bare: float) -> Figure:
    shown = [name for name in ordered if name not in (PROVIDER, CAPTURED)]
    return bar_plot(
        "One recorded call of 4 kB, median",
        "µs, logarithmic",
        {name: figures[name][0].median for name in shown},
        ours=OURS,
        behind=("99th percentile", {name: figures[name][1].median for name in shown}),
        limit=("3 bare appends", 3 * bare),
    )
