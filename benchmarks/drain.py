"""How fast the drain moves captured calls from the inbox into the live database."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks import naive
from benchmarks.corpus import LINE_BYTES, calls, record_lines
from benchmarks.environment import DATA
from benchmarks.measure import Spread, in_turns, settle, timed
from benchmarks.plots import bar_plot
from benchmarks.report import Bar, Progress, Report
from benchmarks.site import site, spool
from capture_app.inbox.spool import FOLDER
from capture_app.models import ExampleIndex
from capture_app.services import drain_captures

DRAIN, PLAIN, KEYED, NAIVE = "drain_captures", "read_json, no key", "read_json, primary key", "naive, call by call"
_FLOOR: Final = 25_000  # rows a second

_METHOD = f"""\
Rows a second from the spool into the live database, for records of {LINE_BYTES:,} bytes whose text was cut at random
places out of the installed packages' source code and documentation. The segments are written by `SpoolInbox` before the
clock starts. *drain_captures* is the whole service: it seals the segments, loads them exactly once into the table with
its primary key, checkpoints, fills the index in SQLite, and removes them. *read_json* is one bare
`INSERT ... FROM read_json` of the same files into a new DuckDB file with DuckDB's defaults, with and without a primary
key; it fills no index and survives no crash. *naive* is FileLock, `duckdb.connect`, one INSERT and close for each call,
on an empty table. The ways take turns, each in a fresh folder on the same file system; figures are medians over the
rounds, with the lowest and the highest."""


@dataclass(frozen=True, slots=True)
class Size:
    rounds: int
    rows: int
    naive_rows: int


FULL, QUICK = Size(5, 100_000, 60), Size(3, 10_000, 20)

Way = Callable[[Path], float]


def run(*, quick: bool, progress: Progress) -> Report:
    size = QUICK if quick else FULL
    with TemporaryDirectory(prefix="gleaner-bench-") as folder:
        source = Path(folder) / "source"
        progress("drain: writing the spool", 0, 1)
        spool(source, record_lines(size.rows))
        rates = _compare(_ways(source / DATA / FOLDER, size), size, progress)
    return _report(rates, size)


def _ways(segments: Path, size: Size) -> dict[str, Way]:
    files = sorted(segments.iterdir())
    records = [call.record() for call in calls(size.naive_rows)]
    return {
        DRAIN: lambda folder: _drain(folder, segments, size.rows),
        PLAIN: lambda folder: _read_json(folder, files, size.rows, primary_key=False),
        KEYED: lambda folder: _read_json(folder, files, size.rows, primary_key=True),
        NAIVE: lambda folder: _insert_each(folder, records),
    }


def _compare(candidates: Mapping[str, Way], size: Size, progress: Progress) -> dict[str, list[float]]:
    """Rows a second of each round, by way."""
    rates: dict[str, list[float]] = {name: [] for name in candidates}
    done, total = 0, size.rounds * len(candidates)
    for number in range(size.rounds):
        for name in in_turns(list(candidates), number):
            progress(f"drain: {name}", done, total)
            with TemporaryDirectory(prefix="gleaner-bench-") as folder:
                rates[name].append(candidates[name](Path(folder)))
            done += 1
    return rates


def _drain(folder: Path, segments: Path, rows: int) -> float:
    shutil.copytree(segments, folder / DATA / FOLDER)
    with site(folder):
        settle()
        with timed() as watch:
            report = drain_captures()
        assert report.rows == ExampleIndex.objects.count() == rows, "the drain lost rows"
    return rows / watch.seconds


def _read_json(folder: Path, files: Sequence[Path], rows: int, *, primary_key: bool) -> float:
    settle()
    with timed() as watch:
        naive.load(folder / "bare.duckdb", files, primary_key=primary_key)
    return rows / watch.seconds


def _insert_each(folder: Path, records: Sequence[dict[str, Any]]) -> float:
    live = folder / "naive.duckdb"
    naive.make_live(live)
    settle()
    with timed() as watch:
        for record in records:
            naive.insert(live, record)
    return len(records) / watch.seconds


def _report(rates: Mapping[str, Sequence[float]], size: Size) -> Report:
    spreads = {name: Spread.of(values) for name, values in rates.items()}
    ordered = sorted(spreads, key=lambda name: -spreads[name].median)
    slowest = spreads[NAIVE].median
    return Report(
        name="drain",
        title="From the inbox into the live database",
        method=_METHOD,
        columns=("way", "rows per round", "rows a second", "times the naive way"),
        rows=[
            (
                name,
                f"{size.naive_rows if name == NAIVE else size.rows:,}",
                spreads[name].text(0),
                f"{spreads[name].median / slowest:,.0f}",
            )
            for name in ordered
        ],
        bars=[
            Bar(
                f"drain_captures, {size.rows:,} rows, with the index",
                f"at least {_FLOOR:,} rows a second",
                f"{spreads[DRAIN].median:,.0f} rows a second",
                spreads[DRAIN].median >= _FLOOR,
            )
        ],
        figure=bar_plot(
            "Records of 4 kB into the live database",
            "rows a second, logarithmic",
            {name: spreads[name].median for name in ordered},
            ours=(DRAIN,),
            limit=("the bar", _FLOOR),
        ),
        raw={"rows": size.rows, "rows_a_second": rates},
    )
