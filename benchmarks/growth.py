"""What an archive run costs as the live database grows a thousandfold: time, lock, ZIP, memory."""

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks import naive
from benchmarks.bulk import TEXT, Bulk, bulk_session
from benchmarks.environment import DATA, process_environment
from benchmarks.measure import Spread, in_turns, settle
from benchmarks.peak_memory import peak_memory
from benchmarks.plots import line_plot
from benchmarks.report import Bar, Progress, Report
from capture_app.conf import LIVE_DATABASE_NAME

OURS, NAIVE = "archive_training_data", "naive"
WAYS: Final = (OURS, NAIVE)

_LARGEST_TIME, _LARGEST_ZIP = 0.5, 0.95  # of the naive way's
_MOST_MEMORY = 500e6  # bytes
_LONGEST_LOCK = 0.050  # seconds

_METHOD = f"""\
{TEXT} Each run is a fresh process over a copy of the same live database, with no ZIP at the beginning;
the clock runs from the call to its return, and *peak RSS* is the whole process's. *archive_training_data* drains,
rotates, compacts, appends at `--compresslevel 9`, reads back and verifies, and waits for the disk. *naive* holds the
lock while it copies a live database that was made with DuckDB's defaults, counts the copy's rows and makes the live
database anew; then it runs VACUUM and CHECKPOINT on the copy and appends it with `zipfile` in append mode, deflate 9,
and a JSON sidecar; it verifies nothing and waits for no disk. The ways take turns; figures are medians over the rounds,
with the lowest and the highest."""


@dataclass(frozen=True, slots=True)
class Size:
    rounds: Mapping[int, int]  # by rows in the live database


FULL: Final = Size({1_000: 5, 10_000: 5, 100_000: 3, 1_000_000: 2})
QUICK: Final = Size({1_000: 2, 10_000: 2, 100_000: 1})


@dataclass(slots=True)
class Runs:
    """One way at one size, run by run."""

    seconds: list[float] = field(default_factory=list)
    lock_seconds: list[float] = field(default_factory=list)
    zip_bytes: list[int] = field(default_factory=list)
    peak_bytes: list[int] = field(default_factory=list)


Found = dict[str, dict[int, Runs]]  # by way, by rows


def run(*, quick: bool, progress: Progress) -> Report:
    size = QUICK if quick else FULL
    found: Found = {way: {rows: Runs() for rows in size.rounds} for way in WAYS}
    with TemporaryDirectory(prefix="gleaner-bench-") as folder, bulk_session(Path(folder)) as bulk:
        for rows, rounds in size.rounds.items():
            progress(f"growth: filling databases with {rows:,} rows", 0, 1)
            sources = _sources(bulk, Path(folder) / str(rows), rows)
            for number in range(rounds):
                progress(f"growth: archiving {rows:,} rows", number, rounds)
                for way in in_turns(WAYS, number):
                    _measure(way, sources[way], found[way][rows])
            shutil.rmtree(Path(folder) / str(rows))
    return _report(found, size)


def _sources(bulk: Bulk, folder: Path, rows: int) -> dict[str, Path]:
    """A site of each way, with the same rows in its live database."""
    sources = {way: folder / way for way in WAYS}
    live = bulk.fill(sources[OURS], rows)
    shutil.copytree(sources[OURS], sources[NAIVE], ignore=shutil.ignore_patterns(f"{LIVE_DATABASE_NAME}*"))
    naive.copy_of(live, sources[NAIVE] / DATA / LIVE_DATABASE_NAME)
    return sources


def _measure(way: str, source: Path, runs: Runs) -> None:
    with TemporaryDirectory(prefix="gleaner-bench-") as folder:
        copy = Path(folder) / "site"
        shutil.copytree(source, copy)
        settle()
        result = peak_memory([sys.executable, "-m", "benchmarks.archive_once", way], process_environment(copy))
    output = json.loads(result["output"])
    runs.seconds.append(output["seconds"])
    runs.lock_seconds.append(output["lock"])
    runs.zip_bytes.append(output["bytes"])
    runs.peak_bytes.append(result["peak"])


def _report(found: Found, size: Size) -> Report:
    seconds = {way: {rows: Spread.of(runs.seconds).median for rows, runs in found[way].items()} for way in WAYS}
    locks = {
        f"{way}, lock held": {rows: Spread.of(runs.lock_seconds).median for rows, runs in found[way].items()}
        for way in WAYS
    }
    return Report(
        name="growth",
        title="Archive runs as the live database grows",
        method=_METHOD,
        columns=("way", "rows", "seconds", "lock held, ms", "ZIP, MB", "peak RSS, MB"),
        rows=[
            (
                way,
                f"{rows:,}",
                Spread.of(runs.seconds).text(2),
                Spread.of([1000 * second for second in runs.lock_seconds]).text(2 if way == OURS else 0),
                Spread.of([count / 1e6 for count in runs.zip_bytes]).text(),
                Spread.of([count / 1e6 for count in runs.peak_bytes]).text(0),
            )
            for rows in size.rounds
            for way in WAYS
            for runs in [found[way][rows]]
        ],
        bars=_bars(found, max(size.rounds)),
        figure=line_plot(
            "An archive run, and how long it holds the live database's lock, medians",
            "rows in the live database",
            "seconds",
            seconds | locks,
            ours=(OURS, f"{OURS}, lock held"),
            dashed=tuple(locks),
        ),
        raw={"runs": {way: {rows: asdict(runs) for rows, runs in found[way].items()} for way in WAYS}},
    )


def _bars(found: Found, rows: int) -> list[Bar]:
    ours, theirs = found[OURS][rows], found[NAIVE][rows]
    seconds, naive_seconds = Spread.of(ours.seconds).median, Spread.of(theirs.seconds).median
    size, naive_size = Spread.of(ours.zip_bytes).median, Spread.of(theirs.zip_bytes).median
    peak, lock = max(ours.peak_bytes), Spread.of(ours.lock_seconds).median
    return [
        Bar(
            f"wall time, {rows:,} rows",
            f"at most {_LARGEST_TIME} of the naive way's {naive_seconds:.1f} s",
            f"{seconds:.1f} s, {seconds / naive_seconds:.2f} of it",
            seconds <= _LARGEST_TIME * naive_seconds,
        ),
        Bar(
            f"ZIP, {rows:,} rows",
            f"at most {_LARGEST_ZIP} of the naive way's {naive_size / 1e6:.1f} MB",
            f"{size / 1e6:.1f} MB, {size / naive_size:.3f} of it",
            size <= _LARGEST_ZIP * naive_size,
        ),
        Bar(
            f"highest peak of memory, {rows:,} rows",
            f"under {_MOST_MEMORY / 1e6:.0f} MB",
            f"{peak / 1e6:.0f} MB",
            peak < _MOST_MEMORY,
        ),
        Bar(
            f"lock held, {rows:,} rows",
            f"at most {1000 * _LONGEST_LOCK:.0f} ms",
            f"{1000 * lock:.2f} ms",
            lock <= _LONGEST_LOCK,
        ),
    ]
